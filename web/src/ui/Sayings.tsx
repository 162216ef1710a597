import { command } from '../orders.ts';
import { isSayingsOpen, station } from '../station.ts';
import { voiceKeys } from '../voicekeys.ts';
import { Sheet } from './Sheet.tsx';

/** Where an intent of the grammar is listed; those of no heading come last. */
const HEADINGS: [heading: string, intents: string[]][] = [
  ['Outline', ['segment', 'show']],
  ['Measure', ['measure_selection', 'measure_as', 'measure_finding']],
  ['Again', ['other_side', 'same_on_prior', 'undo', 'redo', 'cancel']],
  ['Correct', ['enlarge', 'shrink', 'delete']],
  ['Decide', ['accept', 'reject', 'send_all']],
  ['Look', ['window', 'goto', 'next', 'previous', 'open_prior', 'compare']],
  ['Report', ['draft_report', 'read_back', 'dictate']],
];

function groups(sentences: Record<string, string[]>): [string, string[]][] {
  const known = new Set(HEADINGS.flatMap(([, intents]) => intents));
  const others = Object.keys(sentences).filter((intent) => !known.has(intent));
  return [...HEADINGS, ['More', others] as [string, string[]]]
    .map(([heading, intents]): [string, string[]] => [
      heading,
      intents.flatMap((intent) => sentences[intent] ?? []),
    ])
    .filter(([, said]) => said.length > 0);
}

/** What can be said: examples out of the grammar itself. A click says one. */
export function Sayings() {
  const say = (sentence: string): void => {
    isSayingsOpen.value = false;
    void command(sentence);
  };
  return (
    <Sheet
      title="What you can say"
      onClose={() => {
        isSayingsOpen.value = false;
      }}
    >
      <p class="quiet">
        Hold <kbd>{voiceKeys.value.command}</kbd> and say it, or type it (<kbd>/</kbd>). Other words
        for the same are understood too; where it is not clear, you are asked.
      </p>
      <div class="columns sayings">
        {groups(station.value?.sentences ?? {}).map(([heading, said]) => (
          <section key={heading}>
            <h3>{heading}</h3>
            <ul>
              {said.map((sentence) => (
                <li key={sentence}>
                  <button type="button" class="plain" onClick={() => say(sentence)}>
                    {sentence}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Sheet>
  );
}
