// The outline of a command that still runs, drawn as soon as it is made. It is a white line and
// cannot be accepted: the result's own mask takes its place once numbers and objects are made of it.

import { getGlimpse, type Result } from './api.ts';
import { Mask } from './mask.ts';
import { glimpses, masks, open, results } from './station.ts';

const isOpen = (result: Result): boolean =>
  open.value?.study.series.some(
    (each) => each.series_instance_uid === result.series_instance_uid,
  ) ?? false;

/** Draw what a command makes as it makes it, until it is over or its study is closed. */
export async function glimpse(began: Result): Promise<void> {
  for (let number = 0; ;) {
    const answer = await getGlimpse(began.id, number).catch(() => null);
    if (answer === null || !isOpen(began)) return;
    if (answer === 'later') continue;
    const mask = await Mask.read(answer);
    // the study may have been closed, or the result have come, meanwhile
    if (!isOpen(began) || results.value.get(began.id)?.state !== 'running') return;
    const before = glimpses.value.get(began.id) ?? [];
    glimpses.value = new Map(glimpses.value).set(began.id, [...before, mask]);
    number += 1;
  }
}

/** Return what is to be drawn of running commands on a series. */
export function glimpsedOn(series: string): Mask[] {
  return [...glimpses.value].flatMap(([id, made]) => {
    const result = results.value.get(id);
    if (result?.series_instance_uid !== series) return [];
    if (result.state === 'running') return [...made];
    return made.filter((_, n) => {
      const own = result.masks[n];
      return own && result.state === 'waiting' && !masks.value.has(`${id}/${own.segment}`);
    });
  });
}

/** Forget the glimpses of results whose own masks are here. */
export function forgetGlimpses(): void {
  const left = [...glimpses.value].filter(([id]) => results.value.get(id)?.state === 'running');
  if (left.length !== glimpses.value.size) glimpses.value = new Map(left);
}
