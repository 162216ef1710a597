import { signal } from '@preact/signals';

import type { StudyEntry } from '../api.ts';
import { imageSeries, opening, results, said, studies } from '../station.ts';
import { openStudy } from '../studies.ts';
import { date } from '../words.ts';
import { Keys } from './Keys.tsx';
import { Who } from './Who.tsx';

const filter = signal('');

function matches(study: StudyEntry): boolean {
  const words = filter.value.toLowerCase().split(/\s+/);
  const text = [
    study.patient_name,
    study.patient_id,
    study.description,
    date(study.study_date),
    study.accession_number,
    ...study.series.map((each) => each.modality),
  ]
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

function copilot(study: StudyEntry): { says: string; kind: string } | null {
  const mine = new Set(study.series.map((each) => each.series_instance_uid));
  const states = [...results.value.values()]
    .filter((result) => mine.has(result.series_instance_uid))
    .map((result) => result.state);
  const count = (state: string): number => states.filter((each) => each === state).length;
  if (count('running')) return { says: 'at work', kind: 'busy' };
  if (count('waiting')) return { says: `${count('waiting')} to decide`, kind: 'waiting' };
  if (count('accepted')) return { says: `${count('accepted')} to send`, kind: 'waiting' };
  if (count('sent')) return { says: 'sent', kind: 'done' };
  return null;
}

function moveFocus(event: KeyboardEvent): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const rows = [...document.querySelectorAll<HTMLElement>('.worklist tbody button')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = event.key === 'ArrowDown' ? at + 1 : at - 1;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
  event.preventDefault();
}

function Row({ study }: { study: StudyEntry }) {
  const images = imageSeries(study);
  const state = copilot(study);
  const modalities = [...new Set(images.map((each) => each.modality))].join(', ');
  const isOpening = images.some((each) => each.series_instance_uid === opening.value);
  return (
    <tr
      onClick={() => void openStudy(study.study_instance_uid)}
      class={isOpening ? 'is-opening' : ''}
    >
      <th scope="row">
        <button type="button" class="plain">
          {study.patient_name || 'No name'}
        </button>
      </th>
      <td class="quiet">{study.patient_id}</td>
      <td class="number">{date(study.study_date)}</td>
      <td>{modalities}</td>
      <td>{study.description}</td>
      <td class="number right">{images.reduce((sum, each) => sum + each.instances, 0)}</td>
      <td class="quiet">{study.arrival?.state ?? ''}</td>
      <td>{state && <span class={`pill ${state.kind}`}>{state.says}</span>}</td>
    </tr>
  );
}

export function Worklist() {
  const listed = studies.value;
  const shown = listed?.filter(matches) ?? [];
  return (
    <main class="worklist" onKeyDown={moveFocus}>
      <header>
        <h1 class="brand">radcopilot</h1>
        <label class="search">
          <span class="unseen">Find a study</span>
          <input
            type="search"
            placeholder="Patient, ID, description, date…"
            value={filter.value}
            onInput={(event) => {
              filter.value = event.currentTarget.value;
            }}
          />
        </label>
        <Keys />
        <Who />
      </header>
      {said.value?.isError && (
        <p class="notice error" role="alert">
          {said.value.says}
        </p>
      )}
      {shown.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Patient</th>
              <th scope="col">ID</th>
              <th scope="col">Date</th>
              <th scope="col">Modality</th>
              <th scope="col">Study</th>
              <th scope="col" class="right">
                Images
              </th>
              <th scope="col">Arrival</th>
              <th scope="col">Copilot</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((study) => (
              <Row key={study.study_instance_uid} study={study} />
            ))}
          </tbody>
        </table>
      )}
      {listed && !shown.length && (
        <p class="empty">
          {listed.length
            ? 'No study matches.'
            : 'No study has come yet. Send one to this node from the PACS or the scanner.'}
        </p>
      )}
    </main>
  );
}
