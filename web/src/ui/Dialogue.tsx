import { signal } from '@preact/signals';

import { whyNot } from '../access.ts';
import { answered } from '../answers.ts';
import { choose } from '../dialogue.ts';
import { named } from '../hints.ts';
import { command, stop } from '../orders.ts';
import { engine, extent, hints, progress, question, running, said, station } from '../station.ts';
import { Speaking } from './Voice.tsx';

const text = signal('');
const sentences: string[] = [];

function submit(event: Event): void {
  event.preventDefault();
  const sentence = text.value.trim();
  if (!sentence) return;
  if (sentences.at(-1) !== sentence) sentences.push(sentence);
  text.value = '';
  (document.activeElement as HTMLElement | null)?.blur();
  if (!answerTyped(sentence)) void command(sentence);
}

/** Take what was typed as the answer to the question that is shown, where it is one. */
function answerTyped(sentence: string): boolean {
  const asked = question.value;
  if (!asked?.choices.length) return false;
  const choices = asked.choices.map(({ says }) => says);
  const chosen = answered(sentence, choices);
  if (chosen === null) return false;
  if (chosen === 'none') question.value = null;
  else choose(asked, chosen);
  return true;
}

function recall(event: KeyboardEvent): void {
  if (event.key !== 'ArrowUp' || text.value) return;
  text.value = sentences.at(-1) ?? '';
  event.preventDefault();
}

function Busy() {
  return (
    <>
      {running.value.map((result) => {
        const now = progress.value.get(result.id);
        return (
          <p key={result.id} class="busy" role="status">
            <progress
              max={1}
              value={now?.fraction || undefined}
              aria-label={result.text ?? 'command'}
            />
            <span>{result.text}</span>
            <span class="quiet">{now?.says ?? 'begun'}</span>
            <button type="button" class="ghost" onClick={() => void stop(result.id)}>
              Stop
            </button>
          </p>
        );
      })}
    </>
  );
}

function Question() {
  const asked = question.value;
  if (!asked) return null;
  return (
    <section class="question" role="alertdialog" aria-label="Question of the copilot">
      {asked.says.map((each) => (
        <p key={each}>{each}</p>
      ))}
      <div class="choices">
        {asked.choices.map(({ says }, n) => (
          <button key={says} type="button" onClick={() => choose(asked, n)}>
            {says} <kbd>{n + 1}</kbd>
          </button>
        ))}
        <button
          type="button"
          class="ghost"
          onClick={() => {
            question.value = null;
          }}
        >
          Leave it
        </button>
      </div>
    </section>
  );
}

function Hints() {
  if (!hints.value.length && !extent.value) return null;
  return (
    <ul class="hints" aria-label="Pointed at">
      {extent.value && (
        <li>
          images {extent.value[0] + 1} to {extent.value[1] + 1}
          <button
            type="button"
            aria-label="Take away: first and last image"
            onClick={() => {
              extent.value = null;
            }}
          >
            ×
          </button>
        </li>
      )}
      {hints.value.map((hint, n) => (
        <li key={n}>
          {named(hint)}
          <button
            type="button"
            aria-label={`Take away: ${named(hint)}`}
            onClick={() => {
              hints.value = hints.value.filter((each) => each !== hint);
            }}
          >
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What is heard, asked, done and said. */
export function Told() {
  return (
    <div class="above">
      <Speaking />
      <Question />
      <Busy />
      {said.value?.says && (
        <p
          class={`said ${said.value.isError ? 'error' : ''}`}
          role={said.value.isError ? 'alert' : 'status'}
        >
          <span>{said.value.says}</span>
          <button
            type="button"
            class="plain"
            aria-label="Close the message"
            onClick={() => {
              said.value = null;
            }}
          >
            ×
          </button>
        </p>
      )}
    </div>
  );
}

/** Where a sentence is typed, with what is pointed at. */
export function CommandLine() {
  return (
    <form class="command" onSubmit={submit}>
      <Hints />
      <label class="unseen" for="command">
        Command
      </label>
      <input
        id="command"
        type="text"
        autocomplete="off"
        spellcheck={false}
        placeholder={whyNot('command') ?? 'Say what to do: segment the lung lesion…'}
        disabled={whyNot('command') !== null}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        onKeyDown={recall}
      />
      <kbd>/</kbd>
    </form>
  );
}

/** Which engine outlines, where there are several. */
export function EngineChoice() {
  const about = station.value;
  if (!about || about.engines.length < 2) return null;
  return (
    <label class="engine">
      <span class="unseen">Engine</span>
      <select
        value={engine.value}
        onChange={(event) => {
          engine.value = event.currentTarget.value;
        }}
      >
        <option value="">{about.default_engine}</option>
        {about.engines
          .filter((each) => each !== about.default_engine)
          .map((each) => (
            <option key={each}>{each}</option>
          ))}
      </select>
    </label>
  );
}
