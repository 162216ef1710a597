// PET over CT or MR of the same study: shown where both name the same frame of reference, refused
// in words where not. Nothing is registered here.

import { effect, signal } from '@preact/signals';

import type { SeriesEntry, SeriesInfo, StudyEntry } from './api.ts';
import { type Source, resampled, valueAt } from './blending.ts';
import type { Index } from './geometry.ts';
import { windowOver } from './pixels.ts';
import type { Drawn } from './render.ts';
import { ABOVE, attempt, imageSeries, largest, open, say } from './station.ts';
import { laidOut, openSeries } from './studies.ts';
import type { View } from './view.ts';
import { unitWords } from './words.ts';

export interface Fusion {
  /** The series below, and the one laid over it. */
  below: Drawn;
  above: Drawn;
  source: Source;
}

export const fusion = signal<Fusion | null>(null);
/** The value of the hottest colour, in the unit of the series above. */
export const top = signal(1);
export const opacity = signal(0.75);
/** Counts up as images of the series above come in. */
export const arrived = signal(0);

const SUV_TOP = 5;
const LEAST_TOP = 1e-6;
const FINER = 1.25;
const SUV = /SUV/;

/** Lay the study's PET over the images that are shown, or take it away. */
export async function toggleFusion(series?: string): Promise<void> {
  const now = open.value;
  if (!now) return;
  const before = fusion.value;
  takeAway();
  if (before && (!series || before.above.info.series_instance_uid === series)) return;
  const all = imageSeries(now.study);
  const above = all.find((each) => each.series_instance_uid === series) ?? theUptake(all);
  if (!above) return say('This study has no PET to lay over other images.');
  await attempt(() => lay(now.study, above.series_instance_uid));
}

const shown = (): Drawn | undefined => open.value?.views[0]?.drawn;

const theUptake = (all: SeriesEntry[]): SeriesEntry | undefined =>
  largest(all.filter((each) => ABOVE.has(each.modality)));

async function lay(study: StudyEntry, series: string): Promise<void> {
  if (ABOVE.has(shown()?.info.modality ?? '')) {
    const below = largest(imageSeries(study).filter((each) => !ABOVE.has(each.modality)));
    if (!below) return say('This study has no other images below the PET.');
    await openSeries(study, below.series_instance_uid);
  }
  const below = shown();
  if (!below || ABOVE.has(below.info.modality)) return;
  const { drawn: above } = await laidOut(series);
  const reason = whyNot(below.info, above.info);
  if (reason || !above.lattice || shown() !== below) {
    above.pixels.close();
    if (reason) say(reason, true);
    return;
  }
  above.pixels.onSlice(() => {
    arrived.value++;
  });
  const { pixels, lattice } = above;
  top.value = SUV.test(above.info.unit) ? SUV_TOP : brightest(above);
  fusion.value = {
    below,
    above,
    source: { lattice, plane: (slice) => pixels.at(slice)?.values },
  };
  void pixels.all(Math.floor(above.info.slices.length / 2));
}

/** Return the upper end of a window over the middle image, which is loaded first. */
function brightest({ info, pixels }: Drawn): number {
  const [centre, width] = windowOver(pixels.at(Math.floor(info.slices.length / 2))!);
  return Math.max(centre + width / 2, LEAST_TOP);
}

/** Return why two series cannot be laid over each other; null where they can. */
export function whyNot(below: SeriesInfo, above: SeriesInfo): string | null {
  const names = `${above.modality} and ${below.modality}`;
  for (const each of [below, above]) {
    if (!each.affine)
      return `${each.modality} is no volume, so nothing is laid over: ${each.refusal}`;
    if (each.is_time) return `${each.modality} is a cine: nothing is laid over it.`;
  }
  if (!below.frame_of_reference_uid || !above.frame_of_reference_uid)
    return `${names} do not both say in which frame of reference they stand: they are not laid over each other.`;
  if (below.frame_of_reference_uid !== above.frame_of_reference_uid)
    return `${names} stand in different frames of reference: they would have to be registered first.`;
  return null;
}

export function takeAway(): void {
  fusion.value?.above.pixels.close();
  fusion.value = null;
  kept.clear();
}

/** The images below were closed: what lay over them goes too. */
effect(() => {
  const now = fusion.value;
  if (now && now.below !== shown()) takeAway();
});

export function brighter(by: number): void {
  if (fusion.value) top.value = +(top.value * FINER ** -by).toPrecision(3);
}

/** What was resampled last, for each direction of a cut. */
const kept = new Map<number, { key: string; values: Float32Array }>();

/** Return what is laid over the image that a view shows; null where nothing is. */
export function over(view: View): Float32Array | null {
  const now = fusion.value;
  if (!now || view.drawn !== now.below || !view.drawn.lattice) return null;
  const { pixels, info } = now.above;
  const key = `${info.series_instance_uid} ${view.cut.axis} ${view.slice.value} ${pixels.loaded}`;
  const known = kept.get(view.cut.axis);
  if (known?.key === key) return known.values;
  const values = resampled(now.source, view.drawn.lattice, view.cut, view.slice.value);
  kept.set(view.cut.axis, { key, values });
  return values;
}

/** Return the value of the series above at an index of the one below, in words. */
export function uptakeAt(view: View, index: Index): string | null {
  const now = fusion.value;
  const lattice = view.drawn.lattice;
  if (!now || view.drawn !== now.below || !lattice) return null;
  const value = valueAt(now.source, now.source.lattice.index(lattice.position(index)));
  if (Number.isNaN(value)) return null;
  return `${now.above.info.modality} ${value.toFixed(2)} ${unitWords(now.above.info.unit)}`.trim();
}
