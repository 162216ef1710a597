// What was pointed at on the images, in the words of copilot/api/bodies.py. Rows and columns count
// from 0 at pixel centres; boxes are half-open.

import type { Index } from './geometry.ts';

export type Place = [row: number, column: number];

export interface BoxHint {
  kind: 'box';
  slice: number;
  rows: [start: number, stop: number];
  columns: [start: number, stop: number];
}

export interface PointHint {
  kind: 'point';
  slice: number;
  row: number;
  column: number;
  positive: boolean;
}

export interface LineHint {
  kind: 'line';
  slice: number;
  start: Place;
  stop: Place;
}

export interface ScribbleHint {
  kind: 'scribble';
  slice: number;
  path: Place[];
  positive: boolean;
}

export type Hint = BoxHint | PointHint | LineHint | ScribbleHint;

/** A length or an angle that a reader drew; it stays on this page. */
export interface Caliper {
  kind: 'length' | 'angle';
  series: string;
  axis: 0 | 1 | 2;
  ends: Index[];
}

const clamped = (value: number, most: number): number => Math.max(0, Math.min(most, value));

/** Return the box of every pixel that a drag from one place to another touched; null for none. */
export function boxBetween(
  slice: number,
  from: Place,
  to: Place,
  size: [number, number],
): BoxHint | null {
  const span = (axis: 0 | 1): [number, number] => {
    const low = Math.min(from[axis], to[axis]);
    const high = Math.max(from[axis], to[axis]);
    return [
      clamped(Math.floor(low + 0.5), size[axis]),
      clamped(Math.floor(high + 0.5) + 1, size[axis]),
    ];
  };
  const [rows, columns] = [span(0), span(1)];
  if (rows[1] <= rows[0] || columns[1] <= columns[0]) return null;
  return { kind: 'box', slice, rows, columns };
}

/** Keep a place on the pixels, whose outer edge is half a pixel out. */
export function inside([row, column]: Place, [rows, columns]: [number, number]): Place {
  return [
    Math.max(-0.5, Math.min(rows - 0.5, row)),
    Math.max(-0.5, Math.min(columns - 0.5, column)),
  ];
}

/** Return hints as the body of a command takes them. */
export function asBody(hints: readonly Hint[]): Record<string, object[]> {
  const body: Record<string, object[]> = { boxes: [], points: [], lines: [], scribbles: [] };
  for (const hint of hints) {
    switch (hint.kind) {
      case 'box':
        body.boxes!.push({
          slice: hint.slice,
          row_start: hint.rows[0],
          row_stop: hint.rows[1],
          column_start: hint.columns[0],
          column_stop: hint.columns[1],
        });
        break;
      case 'point':
        body.points!.push({
          slice: hint.slice,
          row: hint.row,
          column: hint.column,
          positive: hint.positive,
        });
        break;
      case 'line':
        body.lines!.push({ slice: hint.slice, start: hint.start, stop: hint.stop });
        break;
      case 'scribble':
        body.scribbles!.push({ slice: hint.slice, path: hint.path, positive: hint.positive });
        break;
    }
  }
  return body;
}

export function named(hint: Hint): string {
  const at = `image ${hint.slice + 1}`;
  switch (hint.kind) {
    case 'box':
      return `box, ${at}`;
    case 'point':
      return `${hint.positive ? 'click' : 'not this'}, ${at}`;
    case 'line':
      return `diameter, ${at}`;
    case 'scribble':
      return `scribble, ${at}`;
  }
}
