// The report of the open study: what the machine writes and what is typed, as the server keeps it.

import { computed, signal } from '@preact/signals';

import { get, put, remove } from './api.ts';
import { attempt, open, say } from './station.ts';

export interface Field {
  id: string;
  text: string;
  made: string;
  mark: 'machine' | 'edited' | 'stale';
  result: string | null;
  segment: number | null;
  slice: number | null;
}

export interface Report {
  study_instance_uid: string;
  undecided: number;
  sections: { name: string; fields: Field[] }[];
}

const latest = signal<Report | null>(null);

/** The report of the study that is open; never that of another. */
export const report = computed<Report | null>(() =>
  latest.value?.study_instance_uid === study() ? latest.value : null,
);

const study = (): string | undefined => open.value?.study.study_instance_uid;

export async function loadReport(): Promise<void> {
  const uid = study();
  if (!uid) return;
  await attempt(async () => {
    latest.value = await get<Report>(`/api/studies/${uid}/report`);
  });
}

/** Keep what was typed into a field of the study it was typed in. */
export async function write(of: string, field: Field, text: string): Promise<void> {
  await attempt(async () => {
    const path = `/api/studies/${of}/report/fields/${field.id}`;
    latest.value =
      text === field.made || (!text && !field.made)
        ? await remove<Report>(path)
        : await put<Report>(path, { text, over: field.made });
  });
}

export async function takeBack(of: string, field: Field): Promise<void> {
  await attempt(async () => {
    latest.value = await remove<Report>(`/api/studies/${of}/report/fields/${field.id}`);
  });
}

export const NAMES: Record<string, string> = {
  technique: 'Technique',
  comparison: 'Comparison',
  findings: 'Findings',
  impression: 'Impression',
};

/** Return the words of a report, or of one of its sections. */
export function asText({ sections }: Report, section: string | null = null): string {
  return sections
    .filter(({ name }) => !section || name === section)
    .map(({ name, fields }) => ({
      name,
      said: fields.map((each) => each.text.trim()).filter(Boolean),
    }))
    .filter(({ said }) => said.length)
    .map(({ name, said }) => `${NAMES[name] ?? name}\n${said.join('\n')}`)
    .join('\n\n');
}

/** Put the report's text on the clipboard, for the system that reports are signed in. */
export async function copy(): Promise<void> {
  const text = report.value ? asText(report.value) : '';
  await attempt(async () => {
    await navigator.clipboard.writeText(text);
    say('The draft is on the clipboard. It is not signed.');
  });
}
