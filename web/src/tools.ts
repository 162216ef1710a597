// The tools of the images: what a drag means. Mouse and keyboard draw with the same code: the keys
// move a cursor, and Enter is the button.

import { signal } from '@preact/signals';

import {
  type Finding,
  calipers,
  crosshair,
  current,
  extent,
  hints,
  masks,
  open,
  painted,
  question,
  said,
  say,
  view,
} from './station.ts';
import { undoDictation } from './dictation.ts';
import { type Hint, type Place, boxBetween, inside } from './hints.ts';
import type { View } from './view.ts';

export type Tool =
  'look' | 'box' | 'point' | 'not' | 'line' | 'scribble' | 'brush' | 'eraser' | 'length' | 'angle';

export const tool = signal<Tool>('look');
export const brushRadius = signal(4);
/** What is being drawn: the places so far, on the view where it began. */
export const sketch = signal<{ view: View; tool: Tool; places: Place[] } | null>(null);
/** Row and column under the pointer or the keyboard's cursor. */
export const cursor = signal<{ view: View; place: Place; byKeys: boolean } | null>(null);

export const DRAGS: ReadonlySet<Tool> = new Set(['scribble', 'brush', 'eraser']);
const AS_TAKEN_ONLY: ReadonlySet<Tool> = new Set(['box', 'line', 'scribble', 'brush', 'eraser']);

export function take(next: Tool): void {
  if (next === 'brush' || next === 'eraser') {
    if (!edited()) return say('Select a finding first: the brush corrects its outline.', true);
  }
  sketch.value = null;
  tool.value = tool.value === next ? 'look' : next;
}

/** Return the finding a brush works on. */
export function edited(): Finding | null {
  const finding = current.value;
  return finding && masks.value.has(finding.key) ? finding : null;
}

/** Begin, or set the next point of, what the tool draws. */
export function press(on: View, place: Place): void {
  const now = tool.value;
  if (on.drawn !== open.value?.drawn && now !== 'length' && now !== 'angle') {
    return say('This is the earlier study: point at things in the current one.', true);
  }
  if (AS_TAKEN_ONLY.has(now) && on.cut.axis !== 0) {
    return say('Draw this on the images as they were taken: the first view.', true);
  }
  if (now === 'point' || now === 'not') return addPoint(on, place, now === 'point');
  const before = sketch.value;
  const places = before?.view === on && before.tool === now ? before.places : [];
  sketch.value = { view: on, tool: now, places: [...places, place] };
  if (now === 'brush' || now === 'eraser') stroke([place]);
  const needed = now === 'angle' ? 3 : 2;
  if (!DRAGS.has(now) && places.length + 1 >= needed) finish();
}

/** Go on with a drag. */
export function drag(on: View, place: Place): void {
  const now = sketch.value;
  if (!now || now.view !== on) return;
  if (!DRAGS.has(now.tool)) return;
  const last = now.places.at(-1)!;
  const way = between(last, place);
  if (now.tool !== 'scribble') stroke(way);
  sketch.value = { ...now, places: [...now.places, place] };
}

/** End a drag: the other corner of a box, the end of a line, the end of a stroke. */
export function release(on: View, place: Place): void {
  const now = sketch.value;
  if (!now || now.view !== on) return;
  if (DRAGS.has(now.tool)) return finish();
  const [row, column] = now.places.at(-1)!;
  const isClick = Math.hypot(place[0] - row, place[1] - column) < 1;
  if (!isClick) press(on, place);
}

function between([r0, c0]: Place, [r1, c1]: Place): Place[] {
  const steps = Math.max(1, Math.ceil(Math.hypot(r1 - r0, c1 - c0)));
  return Array.from({ length: steps }, (_, n) => {
    const t = (n + 1) / steps;
    return [r0 + (r1 - r0) * t, c0 + (c1 - c0) * t];
  });
}

function addPoint(on: View, place: Place, positive: boolean): void {
  const index = on.indexAt(...inside(place, on.size)).map(Math.round) as [number, number, number];
  add({ kind: 'point', slice: index[0], row: index[1], column: index[2], positive });
}

function add(hint: Hint): void {
  hints.value = [...hints.value, hint];
  tool.value = 'look';
}

function finish(): void {
  const now = sketch.value;
  sketch.value = null;
  if (!now) return;
  const slice = now.view.slice.value;
  const places = now.places.map((place) => inside(place, now.view.size));
  const [first, last] = [places[0]!, places.at(-1)!];
  switch (now.tool) {
    case 'box': {
      const box = boxBetween(slice, first, last, now.view.size);
      if (box) add(box);
      return;
    }
    case 'line':
      return add({ kind: 'line', slice, start: first, stop: last });
    case 'scribble':
      return add({ kind: 'scribble', slice, path: places, positive: true });
    case 'length':
    case 'angle': {
      const ends = places.map((place) => now.view.indexAt(...place));
      const series = now.view.drawn.info.series_instance_uid;
      calipers.value = [
        ...calipers.value,
        { kind: now.tool, series, axis: now.view.cut.axis, ends },
      ];
      return;
    }
    case 'brush':
    case 'eraser':
      return keepStroke(now.tool, slice);
    default:
      return;
  }
}

let turned: number[] = [];

function stroke(places: Place[]): void {
  const finding = edited();
  const on = view.value;
  if (!finding || !on) return;
  const mask = masks.value.get(finding.key)!;
  const fresh = mask.brush(on.slice.value, places, brushRadius.value, tool.value === 'brush');
  for (const voxel of fresh) turned.push(voxel);
  painted.value++;
}

function keepStroke(by: 'brush' | 'eraser', slice: number): void {
  const finding = edited();
  if (finding && turned.length) {
    const says = `${by} stroke on image ${slice + 1}`;
    masks.value.get(finding.key)!.keep({ says, turned: new Map([[slice, turned]]) });
  }
  turned = [];
  painted.value++;
}

/** Take the last words, stroke or thing that was pointed at back. */
export function undo(): void {
  if (undoDictation()) return;
  if (sketch.value) {
    sketch.value = null;
    return;
  }
  const finding = edited();
  const says = finding && masks.value.get(finding.key)!.undo();
  if (says) {
    painted.value++;
    return say(`Undone: ${says}.`);
  }
  if (hints.value.length) {
    hints.value = hints.value.slice(0, -1);
    return say('Undone: the last mark.');
  }
  if (calipers.value.length) {
    calipers.value = calipers.value.slice(0, -1);
    return say('Undone: the last measurement.');
  }
  say('There is nothing to undo.');
}

export function redo(): void {
  const finding = edited();
  const says = finding && masks.value.get(finding.key)!.redo();
  if (says) painted.value++;
  say(says ? `Done again: ${says}.` : 'There is nothing to do again.');
}

/** Say on which image the thing that is pointed at begins (0) or ends (1). */
export function setExtent(end: 0 | 1): void {
  const on = open.value?.views[0];
  if (!on) return;
  const at = on.slice.value;
  const before = extent.value ?? [at, at];
  const other = before[1 - end]!;
  extent.value = end === 0 ? [at, Math.max(at, other)] : [Math.min(at, other), at];
}

/** Let go of a question or message; of what is being drawn; of the tool; of the marks. */
export function escape(): void {
  if (question.value || said.value) {
    question.value = null;
    said.value = null;
  } else if (sketch.value) sketch.value = null;
  else if (tool.value !== 'look') tool.value = 'look';
  else if (hints.value.length || extent.value) {
    hints.value = [];
    extent.value = null;
  }
}

/** Move the keyboard's cursor over the image. */
export function moveCursor(rows: number, columns: number): void {
  const on = view.value;
  if (!on) return;
  const now = cursor.value?.view === on ? cursor.value.place : centre(on);
  const [height, width] = on.size;
  const place: Place = [
    Math.max(0, Math.min(height - 1, Math.round(now[0] + rows))),
    Math.max(0, Math.min(width - 1, Math.round(now[1] + columns))),
  ];
  cursor.value = { view: on, place, byKeys: true };
  if (sketch.value && DRAGS.has(sketch.value.tool)) drag(on, place);
}

function centre(on: View): Place {
  const [, row, column] = crosshair.value;
  const lattice = on.drawn.lattice;
  return lattice ? lattice.pixelOf(on.cut, crosshair.value) : [row, column];
}

/** Do at the cursor what a press of the button does. */
export function pressCursor(): void {
  const on = view.value;
  if (!on) return;
  const place = cursor.value?.view === on ? cursor.value.place : centre(on);
  if (sketch.value && DRAGS.has(tool.value)) return release(on, place);
  press(on, place);
}
