import { whyNot } from '../access.ts';
import type {
  ChangeEntry,
  ComparisonEntry,
  LesionEntry,
  RecistEntry,
  Result,
  ToldEntry,
} from '../api.ts';
import {
  comparison,
  dismissComparison,
  goToAnswer,
  goToLesion,
  isComparing,
  isOutOfDate,
  keyOf,
  labelOf,
  whyNotAnswered,
  withAnswer,
  withoutTold,
} from '../comparing.ts';
import { command, compareTold } from '../orders.ts';
import { ordinal, selected } from '../station.ts';

/** The words of the verdicts that have a colour of their own; the word always stands beside it. */
const TONES: Record<string, string> = {
  new: 'worse',
  larger: 'worse',
  smaller: 'better',
  resolved: 'better',
  stable: 'same',
};

const signed = (percent: number): string => {
  const whole = Math.round(percent);
  return `${whole > 0 ? '+' : whole < 0 ? '−' : '±'}${Math.abs(whole)} %`;
};

function size(lesion: LesionEntry | null): string {
  if (!lesion) return '–';
  if (lesion.volume_ml === null) {
    return lesion.long_axis_mm === null ? 'no size' : `${lesion.long_axis_mm.toFixed(1)} mm`;
  }
  const digits = lesion.volume_ml < 0.1 ? 3 : 2;
  const within = lesion.uncertainty_95_ml;
  const reach = within === null ? '' : ` ± ${within.toFixed(digits)}`;
  return `${lesion.volume_ml.toFixed(digits)}${reach} mL`;
}

/** How the lesion is called on the page: by the number of its finding, where it is one. */
function name(change: ChangeEntry): string {
  const key = keyOf(change.current);
  return key ? `Finding ${ordinal(key)}` : labelOf(change);
}

function Sizes({ change, made }: { change: ChangeEntry; made: ComparisonEntry }) {
  const { prior, current, change_percent, limits_percent, doubling_time } = change;
  return (
    <dl class="measures">
      <div>
        <dt>{made.prior_date ?? 'Prior'}</dt>
        <dd>{size(prior)}</dd>
      </div>
      <div>
        <dt>{made.current_date ?? 'Now'}</dt>
        <dd>{size(current)}</dd>
      </div>
      {change_percent !== null && (
        <div>
          <dt>Change</dt>
          <dd>
            {signed(change_percent)}
            {limits_percent && (
              <span class="quiet small">
                {' '}
                counts beyond {signed(limits_percent[0])} and {signed(limits_percent[1])}
              </span>
            )}
          </dd>
        </div>
      )}
      {doubling_time && (
        <div>
          <dt>Doubling time</dt>
          <dd>{doubling_time.text}</dd>
        </div>
      )}
    </dl>
  );
}

/** What can be answered to a change's question; a look at each on the prior comes before the press. */
function Answers({ result, change }: { result: Result; change: ChangeEntry }) {
  const answers = change.answers ?? [];
  if (!change.question || !answers.length || whyNot('command')) return null;
  const reason = whyNotAnswered(result);
  if (reason) return <p class="quiet small">{reason}</p>;
  return (
    <div class="answers" role="group" aria-label={`Answer: ${change.question}`}>
      {answers.map((each) => (
        <button
          key={each.says}
          type="button"
          data-testid="answer"
          disabled={isComparing.value}
          onMouseEnter={() => void goToAnswer(result, each)}
          onFocus={() => void goToAnswer(result, each)}
          onClick={() => void compareTold(result, withAnswer(result, each))}
        >
          {each.says}
          {each.pair.current !== null && each.slice !== null && (
            <span class="quiet small">, image {each.slice + 1}</span>
          )}
        </button>
      ))}
    </div>
  );
}

function toldIn({ current, prior, by }: ToldEntry): string {
  const what = prior === null ? 'Said to be new' : current === null ? 'Said to be gone' : 'Paired';
  return by ? `${what} by ${by}.` : `${what} as told.`;
}

/** That a person decided a pair, and the way back. */
function Told({ result, told }: { result: Result; told: ToldEntry }) {
  return (
    <p class="told small" data-testid="told">
      {toldIn(told)}
      {!whyNot('command') && !whyNotAnswered(result) && (
        <button
          type="button"
          class="ghost"
          disabled={isComparing.value}
          onClick={() => void compareTold(result, withoutTold(result, told))}
        >
          Take back
        </button>
      )}
    </p>
  );
}

function Lesion({ result, change }: { result: Result; change: ChangeEntry }) {
  const key = keyOf(change.current);
  const origins = [change.prior, change.current].flatMap((lesion, n) =>
    lesion && lesion.origin !== 'outlined here'
      ? [
          `${n ? 'now' : 'prior'}: ${[lesion.origin, lesion.reported_by].filter(Boolean).join(', ')}`,
        ]
      : [],
  );
  return (
    <li
      class={`lesion ${key && key === selected.value ? 'is-selected' : ''}`}
      data-testid="lesion"
      data-verdict={change.verdict}
    >
      <button
        type="button"
        class="plain head"
        title="Go there on both studies"
        onClick={() => void goToLesion(result, change)}
      >
        <span class="name">{name(change)}</span>
        <span class={`verdict ${TONES[change.verdict] ?? 'open'}`}>{change.verdict}</span>
      </button>
      <Sizes change={change} made={result.comparison!} />
      {change.question && <p class="warning">{change.question}</p>}
      <Answers result={result} change={change} />
      {change.told && <Told result={result} told={change.told} />}
      {change.warnings.map((each) => (
        <p key={each} class="warning">
          {each}
        </p>
      ))}
      <details>
        <summary class="quiet small">Why</summary>
        <ul class="quiet small">
          {[...change.reasons, ...origins].map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      </details>
    </li>
  );
}

const mm = (value: number | null): string => (value === null ? 'not measured' : value.toFixed(1));

function Recist({ found }: { found: RecistEntry }) {
  return (
    <section class="recist" aria-label="RECIST">
      <h4>
        {found.edition}: {found.response}
      </h4>
      <table>
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col">Prior, mm</th>
            <th scope="col">Now, mm</th>
          </tr>
        </thead>
        <tbody>
          {found.targets.map((each) => (
            <tr key={each.label}>
              <th scope="row">
                {each.label}, {each.organ}
              </th>
              <td>{mm(each.prior_mm)}</td>
              <td>{mm(each.current_mm)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">Sum</th>
            <td>{mm(found.targets.reduce((sum, each) => sum + each.prior_mm, 0))}</td>
            <td>{mm(found.current_mm)}</td>
          </tr>
        </tbody>
      </table>
      <details>
        <summary class="quiet small">Why {found.response}</summary>
        <ul class="quiet small">
          {[...found.reasons, ...found.not_targets].map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      </details>
    </section>
  );
}

function Alignment({ result }: { result: Result }) {
  const { alignment } = result.comparison!;
  const lines = [
    ...(result.prior ? [`Taken: ${result.prior.says}.`] : []),
    ...(alignment
      ? [
          `Laid on one another ${alignment.is_deformable ? 'rigidly, then deformed' : 'rigidly'}: ` +
            `structure ${alignment.quality.structure.toFixed(2)}, ` +
            `outline ${alignment.quality.outline.toFixed(2)}, ` +
            `overlap ${alignment.quality.overlap.toFixed(2)}, ` +
            `there and back ${alignment.quality.there_and_back_mm.toFixed(1)} mm.`,
        ]
      : []),
  ];
  const isRefused = result.comparison!.refusal !== null;
  return (
    <details open={isRefused}>
      <summary class="quiet small">Which prior, and how it lies on the study</summary>
      {lines.map((each) => (
        <p key={each} class="quiet small">
          {each}
        </p>
      ))}
    </details>
  );
}

function Body({ result }: { result: Result }) {
  const made = result.comparison!;
  if (isOutOfDate(result)) {
    return (
      <>
        <p class="warning">
          An outline that was compared has been changed or rejected since: these numbers are not
          shown any more.
        </p>
        {!whyNot('command') && (
          <button
            type="button"
            class="primary"
            onClick={() =>
              void command('compare with the prior', result.prior?.series_instance_uid)
            }
          >
            Compare again
          </button>
        )}
      </>
    );
  }
  return (
    <>
      {made.refusal && (
        <p class="warning" data-testid="refusal">
          Nothing was compared: {made.refusal}
        </p>
      )}
      <ul>
        {made.lesions.map((change, n) => (
          <Lesion key={n} result={result} change={change} />
        ))}
      </ul>
      {made.brightness && <p class="small">{made.brightness.sentence}</p>}
      {made.recist && <Recist found={made.recist} />}
      {made.notes.map((each) => (
        <p key={each} class="quiet small">
          {each}
        </p>
      ))}
      <Alignment result={result} />
    </>
  );
}

/** What became of each lesion since the prior, of the series that is shown. */
export function Comparison() {
  const result = comparison.value;
  if (!result?.comparison) return null;
  const { prior_date, days_between } = result.comparison;
  return (
    <section class="comparison" aria-label="Compared with the prior" data-testid="comparison">
      <header>
        <h3>
          Since {prior_date ?? 'the prior'}
          {days_between !== null && <span class="quiet small"> · {days_between} days</span>}
        </h3>
        <button type="button" class="ghost" onClick={dismissComparison}>
          Done
        </button>
      </header>
      <Body result={result} />
    </section>
  );
}
