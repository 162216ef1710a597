// The report of the open study: what the machine writes and what is typed, as the server keeps it.

import { computed, signal } from '@preact/signals';

import { get, post, put, remove } from './api.ts';
import { attempt, open, say } from './station.ts';

export interface Field {
  id: string;
  text: string;
  made: string;
  /** 'default' is the template's, and nobody's word yet. */
  mark: 'machine' | 'default' | 'edited' | 'stale' | 'empty';
  /** What stands before it on its line. */
  label: string;
  kind: 'text' | 'number' | 'choice' | 'date';
  options: string[];
  unit: string;
  required: boolean;
  /** Why it is empty, or what stands against it. */
  reason: string;
  result: string | null;
  segment: number | null;
  slice: number | null;
  /** The template says it, or a rule accepted what it tells of, and nobody has looked. */
  unseen: boolean;
}

export type Status = 'draft' | 'in_review' | 'signed' | 'amended';

/** What stands between the report and its signature. */
export interface Obstacle {
  kind:
    'undecided' | 'running' | 'stale' | 'unseen' | 'numbers' | 'still_told' | 'missing' | 'empty';
  says: string;
  field: string | null;
  result: string | null;
}

export interface Version {
  version: number;
  status: Status;
  signer: string;
  at: string;
  reason: string;
}

/** A field whose words two versions do not share. */
export interface Change {
  field: string;
  was: string;
  now: string;
  /** A word a line, with ' ', '-' or '+' before it. */
  marked: string;
}

export interface Template {
  name: string;
  title: string;
}

export interface Report {
  study_instance_uid: string;
  status: Status;
  version: number;
  reason: string;
  /** Stands for the words that are shown: these are signed, and no others. */
  digest: string;
  /** Since it was signed, something that it tells of has changed. */
  changed: boolean;
  undecided: number;
  /** SR that an earlier version verified and this one leaves out: they stand in the archive. */
  still_verified: string[];
  obstacles: Obstacle[];
  versions: Version[];
  template: Template & { reason: string; others: Template[] };
  /** What the template would have said and does not, and why. */
  notes: string[];
  sections: { name: string; title: string; fields: Field[] }[];
}

const latest = signal<Report | null>(null);

export const isSignOpen = signal(false);

/** The report of the study that is open; never that of another. */
export const report = computed<Report | null>(() =>
  latest.value?.study_instance_uid === study() ? latest.value : null,
);

export const isFinal = (status: Status): boolean => status === 'signed' || status === 'amended';

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

/** Keep the machine's words as they are, having looked. */
export async function keepWords(of: string, id: string): Promise<void> {
  const field = latest.value?.sections
    .flatMap(({ fields }) => fields)
    .find((each) => each.id === id);
  if (!field) return;
  await attempt(async () => {
    const words = { text: field.made, over: field.made };
    latest.value = await put<Report>(`/api/studies/${of}/report/fields/${id}`, words);
  });
}

/** Leave measured numbers out of messages and SR: the sentence that a person typed gives others. */
export async function leaveOut(of: string, id: string): Promise<void> {
  const field = latest.value?.sections
    .flatMap(({ fields }) => fields)
    .find((each) => each.id === id);
  if (!field) return;
  await attempt(async () => {
    const path = `/api/studies/${of}/report/left-out`;
    latest.value = await post<Report>(path, { field: id, text: field.text });
  });
}

/** Let the site's language model reword a field; what would change a fact is refused. */
export async function polish(of: string, field: Field): Promise<void> {
  say('Asking the language model for another wording…');
  await attempt(async () => {
    const path = `/api/studies/${of}/report/polish`;
    const found = await post<{ text: string; refusal: string | null }>(path, { field: field.id });
    if (found.refusal) return say(`The words stand as they are: ${found.refusal}`);
    await write(of, field, found.text);
    say('Reworded: no number, side or negation has changed. Read it all the same.');
  });
}

/** Fill another template; an empty name takes the one that fits best. */
export async function chooseTemplate(of: string, name: string): Promise<void> {
  await attempt(async () => {
    latest.value = await put<Report>(`/api/studies/${of}/report/template`, { name });
  });
}

/** Where the report is had as a file. */
export const exportAddress = (of: string, format: string): string =>
  `/api/studies/${of}/report/exports/${format}`;

/** Take a step on the way to a signature, and return whether it was taken. */
export async function move(of: string, step: string, body: object = {}): Promise<boolean> {
  const moved = await attempt(async () => {
    latest.value = await post<Report>(`/api/studies/${of}/report/${step}`, body);
    return true;
  });
  if (!moved) await loadReport();
  return moved ?? false;
}

/** Return what changed from a version to the next that was signed, or to what stands there now. */
export async function changesSince(of: string, version: Version): Promise<Change[]> {
  const next = latest.value?.versions.find((each) => each.version === version.version + 1);
  const later = next ? `&later=${next.version}` : '';
  const path = `/api/studies/${of}/report/difference?earlier=${version.version}${later}`;
  return (await attempt(() => get<Change[]>(path))) ?? [];
}

export const NAMES: Record<string, string> = {
  technique: 'Technique',
  comparison: 'Comparison',
  findings: 'Findings',
  impression: 'Impression',
};

/** Return a field's words behind its label. */
export const asLine = ({ label, text, unit }: Field): string =>
  [label, text.trim(), unit].filter(Boolean).join(' ');

/** Return the words of a report, or of one of its sections. */
export function asText({ sections }: Report, section: string | null = null): string {
  return sections
    .filter(({ name }) => !section || name === section)
    .map(({ title, fields }) => ({
      title,
      said: fields.filter(({ text }) => text.trim()).map(asLine),
    }))
    .filter(({ said }) => said.length)
    .map(({ title, said }) => `${title}\n${said.join('\n')}`)
    .join('\n\n');
}

/** Put the report's text on the clipboard, for the system that reports are signed in. */
export async function copy(): Promise<void> {
  const text = report.value ? asText(report.value) : '';
  await attempt(async () => {
    await navigator.clipboard.writeText(text);
    const isSigned = report.value && isFinal(report.value.status);
    say(
      isSigned
        ? 'The signed report is on the clipboard.'
        : 'The draft is on the clipboard. It is not signed.',
    );
  });
}
