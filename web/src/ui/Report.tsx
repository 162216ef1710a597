import { useEffect, useRef, useState } from 'preact/hooks';

import { whyNot } from '../access.ts';
import {
  type Field,
  NAMES,
  copy,
  isFinal,
  keepWords,
  loadReport,
  report,
  takeBack,
  write,
} from '../report.ts';
import { select } from '../looking.ts';
import { Standing, Versions } from './Standing.tsx';

const PAUSE_MS = 700;
const MARKS = { machine: 'AI', edited: 'Edited', stale: 'Check' };
const STALE =
  'Its outline is being corrected, what this was typed over has changed, or its finding is gone.';
const UNSEEN = 'AI, by a rule';

/** One field: the machine's words until somebody types, then theirs. */
function Box({ study, field, isOpen }: { study: string; field: Field; isOpen: boolean }) {
  const [text, setText] = useState(field.text);
  const dirty = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (!dirty.current) setText(field.text);
  }, [field.text]);
  const save = (value: string): void => {
    clearTimeout(timer.current);
    if (!dirty.current) return;
    dirty.current = false;
    void write(study, field, value);
  };
  const type = (value: string): void => {
    dirty.current = true;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => save(value), PAUSE_MS);
  };
  const isOwn = field.id.endsWith('/own');
  const mayType = isOpen && whyNot('decide') === null;
  const section = NAMES[field.id.split('/')[0]!]!;
  return (
    <div
      class={`field ${field.mark}`}
      data-testid="field"
      data-field={field.id}
      data-mark={field.mark}
    >
      <textarea
        rows={isOwn ? 1 : 2}
        value={text}
        aria-label={isOwn ? `${section}: your own words` : section}
        placeholder={isOwn ? 'Your own words…' : ''}
        readOnly={!mayType}
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={(event) => save(event.currentTarget.value)}
      />
      {!(isOwn && !field.text) && (
        <p class="about">
          <span class="whose" title={field.mark === 'stale' ? STALE : undefined}>
            {isOpen && (field.unseen ? UNSEEN : MARKS[field.mark])}
          </span>
          {field.mark === 'stale' && (
            <span class="quiet">{field.made ? `Now: ${field.made}` : 'Its finding is gone.'}</span>
          )}
          {field.unseen && isOpen && mayType && (
            <button type="button" class="plain" onClick={() => void keepWords(study, field.id)}>
              looked at: keep
            </button>
          )}
          {field.slice !== null && (
            <button
              type="button"
              class="plain"
              onClick={() => void select(`${field.result}/${field.segment}`)}
            >
              image {field.slice + 1}
            </button>
          )}
          {field.mark !== 'machine' && field.made && !isOwn && mayType && (
            <button type="button" class="plain" onClick={() => void takeBack(study, field)}>
              AI’s words again
            </button>
          )}
        </p>
      )}
    </div>
  );
}

export function Report() {
  useEffect(() => void loadReport(), []);
  const shown = report.value;
  if (!shown) return <p class="empty">Reading the draft…</p>;
  return (
    <section class="report" aria-label="Report draft">
      <Standing shown={shown} />
      {whyNot('decide') && <p class="quiet small">{whyNot('decide')}</p>}
      {shown.undecided > 0 && (
        <p class="warning">
          {shown.undecided === 1 ? 'One finding waits' : `${shown.undecided} findings wait`} for
          your decision and {shown.undecided === 1 ? 'is' : 'are'} not in the draft.
        </p>
      )}
      {shown.sections
        .filter(({ fields }) => fields.length > 0)
        .map(({ name, fields }) => (
          <section key={name}>
            <h3>{NAMES[name] ?? name}</h3>
            {fields.map((field) => (
              <Box
                key={field.id}
                study={shown.study_instance_uid}
                field={field}
                isOpen={!isFinal(shown.status)}
              />
            ))}
          </section>
        ))}
      <button type="button" onClick={() => void copy()}>
        Copy the text
      </button>
      <Versions shown={shown} />
    </section>
  );
}
