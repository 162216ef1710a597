// What the page knows of words that point, and the server does not: what was drawn and when, which
// finding is selected, what was said last, and which prior stands beside.

import { effect } from '@preact/signals';

import type { Result } from './api.ts';
import { current, findings, hints, open } from './station.ts';
import { title } from './words.ts';

let drawnAt = 0;
let drawn = 0;
/** The last sentence that outlined or measured something, of each study. */
const last = new Map<string, string>();

effect(() => {
  if (hints.value.length > drawn) drawnAt = performance.now();
  drawn = hints.value.length;
});

/** Remember what a sentence did, for "the other side" and "the same on the prior". */
export function remember({ command, text, series_instance_uid }: Result): void {
  const study = open.value?.study;
  const isOfStudy = study?.series.some((each) => each.series_instance_uid === series_instance_uid);
  const isKept = command.action === 'segment' || command.action === 'measure';
  if (study && isOfStudy && isKept && text) last.set(study.study_instance_uid, text);
}

/** Return the context as the body of a command takes it. */
export function context(): Record<string, unknown> {
  const now = open.value;
  const number = findings.value.findIndex(({ key }) => key === current.value?.key) + 1;
  return {
    last: now ? (last.get(now.study.study_instance_uid) ?? null) : null,
    prior: now?.prior?.drawn.info.series_instance_uid ?? null,
    findings: findings.value.map(({ mask }) => title(mask)),
    selected: number || null,
    drawn_s: hints.value.length ? (performance.now() - drawnAt) / 1000 : null,
  };
}
