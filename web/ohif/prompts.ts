// What a reader draws with OHIF's own tools, as prompts: a rectangle is a box, a probe is a click.
// One that was drawn before this panel, or read from a report, is a measurement and no prompt.

import { effect } from '@preact/signals';

import type { Vector } from '../src/geometry.ts';
import type { Hint } from '../src/hints.ts';
import { hints, open, say } from '../src/station.ts';
import { type Following, following } from './following.ts';
import { type Annotation, libraries, run, services } from './host.ts';
import { type Drawing, asHint } from './placing.ts';

export const BOX = 'RectangleROI';
export const CLICK = 'Probe';

const KINDS: Record<string, Drawing['kind']> = { [BOX]: 'box', [CLICK]: 'point' };
const OFF_THE_IMAGES =
  'Draw this on the images as they were taken: it does not lie on one of them.';

/** The prompts, each with the annotation it came from and the images it is on. */
const drawn = new Map<string, { hint: Hint; on: string }>();
const GROUPS = ['default', 'mpr'];
let isListening = false;

/** Give the mouse's first button to one of OHIF's tools. */
export function take(toolName: string): void {
  run('setToolActiveToolbar', { toolName, toolGroupIds: GROUPS });
}

/** Hear of what is drawn, changed and taken away, from now on. */
export function listenToTools(): void {
  if (isListening) return;
  isListening = true;
  const { cornerstone, cornerstoneTools } = libraries();
  const { Events } = cornerstoneTools.Enums;
  const on = (kind: string, act: (annotation: Annotation) => void): void =>
    cornerstone.eventTarget.addEventListener(Events[kind]!, ({ detail }: CustomEvent) => {
      const { annotation } = detail as { annotation?: Annotation };
      if (annotation && annotation.metadata.toolName in KINDS) act(annotation);
    });
  on('ANNOTATION_COMPLETED', (annotation) => add(annotation, true));
  on('ANNOTATION_MODIFIED', (annotation) => {
    if (drawn.has(annotation.annotationUID)) add(annotation, false);
  });
  on('ANNOTATION_REMOVED', ({ annotationUID }) => drop(annotationUID));
}

function add(annotation: Annotation, isNew: boolean): void {
  const now = following.value;
  const hint = now && read(annotation, now);
  if (!hint) {
    drop(annotation.annotationUID);
    if (isNew && open.value) say(OFF_THE_IMAGES, true);
    return;
  }
  drawn.set(annotation.annotationUID, { hint, on: now.displaySet.displaySetInstanceUID });
  hints.value = ofThese(now);
}

function drop(uid: string): void {
  if (drawn.delete(uid)) hints.value = ofThese(following.value);
}

const ofThese = (now: Following | null): Hint[] =>
  [...drawn.values()]
    .filter(({ on }) => on === now?.displaySet.displaySetInstanceUID)
    .map(({ hint }) => hint);

/** Return what an annotation is on the series that is open; null where it is on no image of it. */
function read({ metadata, data }: Annotation, { displaySet, place }: Following): Hint | null {
  if ('refusal' in place || !open.value) return null;
  const at = displaySet.imageIds!.indexOf(metadata.referencedImageId ?? '');
  if (at < 0) return null; // another series, whatever its place in the patient, or a cut across
  const slice = place.slices[at]!;
  const points = data.handles.points.map(([x, y, z]): Vector => [x, y, z]);
  const plane = open.value.drawn.info.slices[slice]!;
  return asHint({ kind: KINDS[metadata.toolName]!, points }, plane, slice);
}

/** Forget what OHIF has taken away with its mode. */
export function forgetPrompts(): void {
  drawn.clear();
  hints.value = [];
}

// each series has its own; those of one that is not shown wait there
effect(() => {
  hints.value = ofThese(following.value);
});

// a prompt that is let go of, here or because a mask came of it, goes from OHIF's images as well
effect(() => {
  const kept = new Set(hints.value);
  const on = following.peek()?.displaySet.displaySetInstanceUID;
  for (const [uid, each] of [...drawn]) {
    if (each.on !== on || kept.has(each.hint)) continue;
    drawn.delete(uid);
    services().measurementService.remove(uid);
    libraries().cornerstoneTools.annotation.state.removeAnnotation(uid);
  }
});
