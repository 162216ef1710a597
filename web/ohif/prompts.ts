// What a reader draws with OHIF's own tools, as prompts: a rectangle is a box, a probe is a click.
// One that was drawn before this panel, or read from a report, is a measurement and no prompt.

import { effect } from '@preact/signals';

import type { Hint } from '../src/hints.ts';
import { hints, open, say } from '../src/station.ts';
import { following } from './following.ts';
import { type Annotation, libraries, run, services } from './host.ts';
import { type Drawing, asHint } from './placing.ts';

export const BOX = 'RectangleROI';
export const CLICK = 'Probe';

const KINDS: Record<string, Drawing['kind']> = { [BOX]: 'box', [CLICK]: 'point' };
const OFF_THE_IMAGES =
  'Draw this on the images as they were taken: it does not lie on one of them.';

/** The prompts that are shown, each with the annotation it came from. */
const drawn = new Map<string, Hint>();
const GROUPS = ['default', 'mpr'];
let isListening = false;
let seriesBefore: string | undefined;

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
  const found = read(annotation);
  if (!found) {
    drop(annotation.annotationUID);
    if (isNew && open.value) say(OFF_THE_IMAGES, true);
    return;
  }
  const before = drawn.get(annotation.annotationUID);
  drawn.set(annotation.annotationUID, found);
  hints.value = [...hints.value.filter((each) => each !== before), found];
}

function drop(uid: string): void {
  const before = drawn.get(uid);
  if (!before) return;
  drawn.delete(uid);
  hints.value = hints.value.filter((each) => each !== before);
}

/** Return what an annotation is on the series that is open; null where it is not on it. */
function read({ metadata, data }: Annotation): Hint | null {
  const now = following.value;
  if (!now || !open.value || 'refusal' in now.place) return null;
  const drawing: Drawing = {
    kind: KINDS[metadata.toolName]!,
    points: data.handles.points.map(([x, y, z]) => [x, y, z]),
  };
  const { slices } = open.value.drawn.info;
  const at = now.displaySet.imageIds!.indexOf(metadata.referencedImageId ?? '');
  if (at >= 0) {
    const slice = now.place.slices[at]!;
    return asHint(drawing, slices[slice]!, slice);
  }
  const on = slices.flatMap((plane, n) => asHint(drawing, plane, n) ?? []);
  return on.length === 1 ? on[0]! : null;
}

// a prompt that is let go of, here or because a mask came of it, goes from OHIF's images as well
effect(() => {
  const kept = new Set(hints.value);
  const gone = [...drawn].filter(([, hint]) => !kept.has(hint)).map(([uid]) => uid);
  for (const uid of gone) {
    drawn.delete(uid);
    services().measurementService.remove(uid);
    libraries().cornerstoneTools.annotation.state.removeAnnotation(uid);
  }
});

// of one series at a time
effect(() => {
  const series = following.value?.displaySet.displaySetInstanceUID;
  if (series === seriesBefore) return;
  seriesBefore = series;
  hints.value = [];
});
