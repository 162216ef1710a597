import { useEffect, useRef, useState } from 'preact/hooks';

import { whyNot } from '../access.ts';
import {
  type Field,
  type Report as ReportShown,
  chooseTemplate,
  copy,
  exportAddress,
  isFinal,
  keepWords,
  loadReport,
  polish,
  report,
  takeBack,
  write,
} from '../report.ts';
import { select } from '../looking.ts';
import { open, station } from '../station.ts';
import { FORMATS } from '../words.ts';
import { EarlierReport } from './EarlierReport.tsx';
import { Standing, Versions } from './Standing.tsx';

const PAUSE_MS = 700;
const MARKS = {
  machine: 'AI',
  default: 'Template',
  edited: 'Edited',
  stale: 'Check',
  empty: '',
};
const STALE =
  'Its outline is being corrected, what this was typed over has changed, or its finding is gone.';
const UNSEEN = 'AI, by a rule';

interface Shown {
  study: string;
  field: Field;
  title: string;
  isOpen: boolean;
}

/** One field: the words of machine or template until somebody types, then theirs. */
function Box({ study, field, title, isOpen }: Shown) {
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
  const name = isOwn ? 'your own words' : field.label.replace(/:$/, '');
  const shared = {
    value: text,
    'aria-label': name ? `${title}: ${name}` : title,
    onBlur: (event: { currentTarget: { value: string } }) => save(event.currentTarget.value),
  };
  return (
    <div
      class={`field ${field.mark}`}
      data-testid="field"
      data-field={field.id}
      data-mark={field.mark}
      data-result={field.result}
    >
      {field.label && <p class="label">{field.label}</p>}
      {field.kind === 'choice' ? (
        <select
          {...shared}
          disabled={!mayType}
          onChange={(event) => {
            dirty.current = true;
            setText(event.currentTarget.value);
            save(event.currentTarget.value);
          }}
        >
          {[...new Set(['', text, ...field.options])].map((each) => (
            <option key={each} value={each}>
              {each || '—'}
            </option>
          ))}
        </select>
      ) : (
        <textarea
          {...shared}
          rows={field.made ? 2 : 1}
          placeholder={isOwn ? 'Your own words…' : ''}
          readOnly={!mayType}
          onInput={(event) => type(event.currentTarget.value)}
        />
      )}
      {field.unit && <span class="quiet small">{field.unit}</span>}
      {(field.text || field.made || field.reason) && (
        <About study={study} field={field} isOpen={isOpen} mayType={mayType} />
      )}
    </div>
  );
}

/** Whose words a field holds, and what can be done about them. */
function About({
  study,
  field,
  isOpen,
  mayType,
}: {
  study: string;
  field: Field;
  isOpen: boolean;
  mayType: boolean;
}) {
  const isTyped = field.mark === 'edited' || field.mark === 'stale';
  return (
    <p class="about">
      <span class="whose" title={field.mark === 'stale' ? STALE : undefined}>
        {isOpen && (field.unseen ? (field.result ? UNSEEN : MARKS.default) : MARKS[field.mark])}
      </span>
      {field.mark === 'stale' && (
        <span class="quiet">{field.made ? `Now: ${field.made}` : 'Its finding is gone.'}</span>
      )}
      {field.reason && <span class="quiet">{field.reason}</span>}
      {field.unseen && isOpen && mayType && (
        <>
          <button type="button" class="plain" onClick={() => void keepWords(study, field.id)}>
            looked at: keep
          </button>
          {!field.result && (
            <button type="button" class="plain" onClick={() => void write(study, field, '')}>
              take it out
            </button>
          )}
        </>
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
      {station.value?.polishes && field.text && mayType && (
        <button type="button" class="plain" onClick={() => void polish(study, field)}>
          reword
        </button>
      )}
      {isTyped && field.made && mayType && (
        <button type="button" class="plain" onClick={() => void takeBack(study, field)}>
          AI’s words again
        </button>
      )}
    </p>
  );
}

/** Which template the report fills, and others. */
function Templates({ shown }: { shown: ReportShown }) {
  const { study_instance_uid: of, template } = shown;
  return (
    <p class="template">
      <label>
        Template{' '}
        <select
          value={template.name}
          title={template.reason}
          disabled={whyNot('decide') !== null}
          onChange={(event) => void chooseTemplate(of, event.currentTarget.value)}
        >
          {[template, ...template.others].map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
    </p>
  );
}

/** The report as files. */
function Exports({ of }: { of: string }) {
  return (
    <details class="exports">
      <summary>As a file</summary>
      <ul>
        {station.value?.report_formats.map((format) => (
          <li key={format}>
            <a href={exportAddress(of, format)} download>
              {FORMATS[format] ?? format}
            </a>
          </li>
        ))}
      </ul>
    </details>
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
      {!isFinal(shown.status) && <Templates shown={shown} />}
      {shown.sections
        .filter(({ fields }) => fields.length > 0)
        .map(({ name, title, fields }) => (
          <section key={name}>
            <h3>{title}</h3>
            {fields.map((field) => (
              <Box
                key={field.id}
                study={shown.study_instance_uid}
                field={field}
                title={title}
                isOpen={!isFinal(shown.status)}
              />
            ))}
          </section>
        ))}
      <button type="button" onClick={() => void copy()}>
        Copy the text
      </button>
      <Exports of={shown.study_instance_uid} />
      {!isFinal(shown.status) &&
        shown.notes.map((each) => (
          <p key={each} class="quiet small">
            {each}
          </p>
        ))}
      <Versions shown={shown} />
      {open.value?.prior && <EarlierReport study={open.value.prior.study} />}
    </section>
  );
}
