// What is drawn over an image: masks voxel by voxel, what was pointed at, lengths, the crosshair.

import { paint } from './blending.ts';
import type { Caliper, Hint, Place } from './hints.ts';
import { type Look, fill } from './looks.ts';
import { type Mask, outline } from './mask.ts';
import { type Index, angle, length, less } from './geometry.ts';
import type { View } from './view.ts';

const HINT = '#ffe9a8';
const NOT = '#ff8f7a';
const CALIPER = '#b7f0c9';
const CROSS = 'rgba(127, 209, 232, 0.45)';

export interface Marked {
  mask: Mask;
  look: Look;
  isSelected: boolean;
}

export interface Drawing {
  /** Colours of another series, for each pixel of the image. */
  over: { values: Float32Array; top: number; opacity: number } | null;
  marked: Marked[];
  /** Masks of commands that still run. */
  glimpsed: readonly Mask[];
  hints: readonly Hint[];
  calipers: readonly Caliper[];
  sketch: { tool: string; places: Place[] } | null;
  cursor: Place | null;
  brush: number | null;
  crosshair: Index | null;
}

type Point = [x: number, y: number];

const SPECK = 'rgba(0, 0, 0, 0.01)';

export class Overlay {
  private readonly canvas: HTMLCanvasElement;
  private readonly paint: CanvasRenderingContext2D;
  private readonly view: View;
  private readonly buffer = document.createElement('canvas');

  constructor(canvas: HTMLCanvasElement, view: View) {
    this.canvas = canvas;
    this.view = view;
    this.paint = canvas.getContext('2d')!;
  }

  draw(what: Drawing): void {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    if (this.canvas.width !== Math.round(clientWidth * ratio))
      this.canvas.width = Math.round(clientWidth * ratio);
    if (this.canvas.height !== Math.round(clientHeight * ratio))
      this.canvas.height = Math.round(clientHeight * ratio);
    this.paint.setTransform(1, 0, 0, 1, 0, 0);
    this.paint.clearRect(0, 0, this.canvas.width, this.canvas.height);
    // Chromium shows an older frame where a canvas was cleared and nothing drawn after it: an outline
    // would stand on an image that has none. A speck in the corner, hardly there, keeps it from that.
    this.paint.fillStyle = SPECK;
    this.paint.fillRect(0, 0, 1, 1);
    this.paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paint.font = '500 12px "Inter", system-ui, sans-serif';
    this.paint.lineJoin = 'round';
    if (what.over) this.over(what.over);
    for (const marked of what.marked) this.mask(marked);
    for (const mask of what.glimpsed) this.glimpse(mask);
    if (what.crosshair) this.cross(what.crosshair);
    for (const hint of what.hints) this.hint(hint);
    for (const caliper of what.calipers) this.caliper(caliper);
    if (what.sketch) this.sketch(what.sketch, what.cursor);
    if (what.cursor) this.cursor(what.cursor, what.brush);
  }

  private at(row: number, column: number): Point {
    return this.view.screenAt(row, column) ?? [0, 0];
  }

  private mask({ mask, look, isSelected }: Marked): void {
    const place = this.view.placement;
    if (!look.isVisible || !place) return;
    const [rows, columns] = this.view.size;
    const pixels = mask.on(this.view.cut, this.view.slice.value);
    if (!pixels) return;
    this.fill(pixels, rows, columns, look.colour, place);
    const path = this.edge(pixels, rows, columns);
    this.paint.lineCap = 'square';
    if (isSelected) {
      this.paint.strokeStyle = 'rgba(0, 0, 0, 0.75)';
      this.paint.lineWidth = 4;
      this.paint.stroke(path);
    }
    this.paint.strokeStyle = look.colour;
    this.paint.lineWidth = isSelected ? 2 : 1.25;
    this.paint.stroke(path);
  }

  private glimpse(mask: Mask): void {
    const [rows, columns] = this.view.size;
    const pixels = mask.on(this.view.cut, this.view.slice.value);
    if (!pixels || !this.view.placement) return;
    const path = this.edge(pixels, rows, columns);
    this.paint.save();
    this.paint.lineCap = 'butt';
    this.paint.strokeStyle = 'rgba(0, 0, 0, 0.65)';
    this.paint.lineWidth = 3.5;
    this.paint.stroke(path);
    this.paint.strokeStyle = '#ffffff';
    this.paint.lineWidth = 1.5;
    this.paint.stroke(path);
    this.paint.restore();
  }

  private edge(pixels: Uint8Array, rows: number, columns: number): Path2D {
    const ends = outline(pixels, rows, columns);
    const path = new Path2D();
    for (let n = 0; n < ends.length; n += 4) {
      path.moveTo(...this.at(ends[n]!, ends[n + 1]!));
      path.lineTo(...this.at(ends[n + 2]!, ends[n + 3]!));
    }
    return path;
  }

  private fill(
    pixels: Uint8Array,
    rows: number,
    columns: number,
    colour: string,
    place: NonNullable<View['placement']>,
  ): void {
    if (fill.value <= 0) return;
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
    const alpha = Math.round(fill.value * 255);
    this.pixels(rows, columns, place, false, (data) => {
      for (let n = 0; n < pixels.length; n++) {
        if (pixels[n]) data.set([red!, green!, blue!, alpha], n * 4);
      }
    });
  }

  private over({ values, top, opacity }: NonNullable<Drawing['over']>): void {
    const place = this.view.placement;
    const [rows, columns] = this.view.size;
    if (!place || values.length !== rows * columns) return;
    this.pixels(rows, columns, place, true, (data) => paint(values, top, opacity, data));
  }

  /** Draw pixels where those of the image are. */
  private pixels(
    rows: number,
    columns: number,
    place: NonNullable<View['placement']>,
    isSmooth: boolean,
    colour: (data: Uint8ClampedArray) => void,
  ): void {
    this.buffer.width = columns;
    this.buffer.height = rows;
    const context = this.buffer.getContext('2d')!;
    const image = context.createImageData(columns, rows);
    colour(image.data);
    context.putImageData(image, 0, 0);
    const { x, y, rowX, rowY, columnX, columnY } = place;
    this.paint.save();
    this.paint.transform(columnX, columnY, rowX, rowY, x, y);
    this.paint.imageSmoothingEnabled = isSmooth;
    this.paint.drawImage(this.buffer, -0.5, -0.5); // a pixel's place is its middle
    this.paint.restore();
  }

  private line(points: Point[], colour: string, width = 1.5, isClosed = false): void {
    const path = new Path2D();
    points.forEach((point, n) => (n ? path.lineTo(...point) : path.moveTo(...point)));
    if (isClosed) path.closePath();
    this.paint.lineCap = 'round';
    this.paint.strokeStyle = 'rgba(0, 0, 0, 0.65)';
    this.paint.lineWidth = width + 2;
    this.paint.stroke(path);
    this.paint.strokeStyle = colour;
    this.paint.lineWidth = width;
    this.paint.stroke(path);
  }

  private hint(hint: Hint): void {
    if (hint.kind === 'point') return this.point(hint);
    if (this.view.cut.axis !== 0 || hint.slice !== this.view.slice.value) return;
    if (hint.kind === 'box') {
      const [r0, r1] = [hint.rows[0] - 0.5, hint.rows[1] - 0.5];
      const [c0, c1] = [hint.columns[0] - 0.5, hint.columns[1] - 0.5];
      this.line(
        [this.at(r0, c0), this.at(r0, c1), this.at(r1, c1), this.at(r1, c0)],
        HINT,
        1.5,
        true,
      );
    } else if (hint.kind === 'line') {
      this.ends([hint.start, hint.stop], HINT);
    } else {
      this.line(
        hint.path.map((place) => this.at(...place)),
        hint.positive ? HINT : NOT,
        3,
      );
    }
  }

  private point({ slice, row, column, positive }: Extract<Hint, { kind: 'point' }>): void {
    const index: Index = [slice, row, column];
    const { cut, slice: shown, drawn } = this.view;
    if (index[cut.axis] !== shown.value) return;
    const [r, c] = drawn.lattice ? drawn.lattice.pixelOf(cut, index) : [row, column];
    const [x, y] = this.at(r, c);
    const colour = positive ? HINT : NOT;
    this.line(
      [
        [x - 6, y],
        [x + 6, y],
      ],
      colour,
      2,
    );
    if (positive)
      this.line(
        [
          [x, y - 6],
          [x, y + 6],
        ],
        colour,
        2,
      );
  }

  private ends(places: Place[], colour: string): void {
    const points = places.map((place) => this.at(...place));
    this.line(points, colour);
    for (const [x, y] of points) {
      this.paint.beginPath();
      this.paint.arc(x, y, 3, 0, 2 * Math.PI);
      this.paint.fillStyle = colour;
      this.paint.fill();
    }
  }

  private caliper({ kind, axis, ends }: Caliper): void {
    const { cut, slice, drawn } = this.view;
    if (axis !== cut.axis || Math.round(ends[0]![axis]) !== slice.value) return;
    const places = ends.map((end): Place =>
      drawn.lattice ? drawn.lattice.pixelOf(cut, end) : [end[1], end[2]],
    );
    this.ends(places, CALIPER);
    const [row, column] = places.at(-1)!;
    const [x, y] = this.at(row, column);
    this.words(measured(this.view, kind, places), x + 9, y + 4, CALIPER);
  }

  private words(text: string, x: number, y: number, colour: string): void {
    this.paint.lineWidth = 3;
    this.paint.strokeStyle = 'rgba(0, 0, 0, 0.8)';
    this.paint.strokeText(text, x, y);
    this.paint.fillStyle = colour;
    this.paint.fillText(text, x, y);
  }

  private sketch({ tool, places }: { tool: string; places: Place[] }, cursor: Place | null): void {
    if (tool === 'brush' || tool === 'eraser') return;
    const all = cursor && tool !== 'scribble' ? [...places, cursor] : places;
    if (tool === 'box' && all.length > 1) {
      const [[r0, c0], [r1, c1]] = [all[0]!, all.at(-1)!];
      const corners: Place[] = [
        [r0, c0],
        [r0, c1],
        [r1, c1],
        [r1, c0],
      ];
      return this.line(
        corners.map((place) => this.at(...place)),
        HINT,
        1.5,
        true,
      );
    }
    if (tool === 'scribble')
      return this.line(
        all.map((place) => this.at(...place)),
        HINT,
        3,
      );
    const colour = tool === 'line' ? HINT : CALIPER;
    this.ends(all, colour);
    if (all.length > 1 && (tool === 'length' || tool === 'line' || all.length > 2)) {
      const [x, y] = this.at(...all.at(-1)!);
      this.words(
        measured(this.view, tool === 'angle' ? 'angle' : 'length', all),
        x + 9,
        y + 4,
        colour,
      );
    }
  }

  private cursor(place: Place, brush: number | null): void {
    const [x, y] = this.at(...place);
    if (brush !== null) {
      const [edge] = this.at(place[0], place[1] + brush);
      this.paint.beginPath();
      this.paint.arc(x, y, Math.abs(edge - x), 0, 2 * Math.PI);
      this.paint.strokeStyle = HINT;
      this.paint.lineWidth = 1.25;
      this.paint.stroke();
      return;
    }
    this.line(
      [
        [x - 9, y],
        [x - 3, y],
      ],
      HINT,
      1,
    );
    this.line(
      [
        [x + 3, y],
        [x + 9, y],
      ],
      HINT,
      1,
    );
    this.line(
      [
        [x, y - 9],
        [x, y - 3],
      ],
      HINT,
      1,
    );
    this.line(
      [
        [x, y + 3],
        [x, y + 9],
      ],
      HINT,
      1,
    );
  }

  private cross(index: Index): void {
    const { lattice } = this.view.drawn;
    if (!lattice) return;
    const [x, y] = this.at(...lattice.pixelOf(this.view.cut, index));
    this.paint.strokeStyle = CROSS;
    this.paint.lineWidth = 1;
    this.paint.beginPath();
    this.paint.moveTo(x, 0);
    this.paint.lineTo(x, this.canvas.clientHeight);
    this.paint.moveTo(0, y);
    this.paint.lineTo(this.canvas.clientWidth, y);
    this.paint.stroke();
  }
}

/** Return a length or an angle in words; without a scale a length is in pixels. */
export function measured(view: View, kind: 'length' | 'angle', places: Place[]): string {
  const spacing = view.pixelsPerMm === null ? null : spacingOf(view);
  const [down, right] = spacing ?? [1, 1];
  const points = places.map(([row, column]): [number, number, number] => [
    row * down,
    column * right,
    0,
  ]);
  if (kind === 'angle') return `${angle(points[0]!, points[1]!, points[2]!).toFixed(1)}°`;
  const long = length(less(points.at(-1)!, points[0]!));
  return spacing ? `${long.toFixed(1)} mm` : `${long.toFixed(1)} px (no scale)`;
}

function spacingOf(view: View): [number, number] | null {
  const { lattice, info } = view.drawn;
  if (view.cut.axis === 0 || !lattice) return info.slices[view.slice.value]!.spacing_mm;
  return lattice.plane(view.cut, view.slice.value).spacing_mm;
}
