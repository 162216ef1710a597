// One viewport: a cut through a series with its place, window and zoom, and where on the screen
// each pixel is. What is drawn over the image asks here.

import {
  Enums,
  getShouldUseCPURendering,
  type StackViewport,
  type Types,
} from '@cornerstonejs/core';
import { signal } from '@preact/signals';

import { AS_TAKEN, type Cut, type Index, type Vector, added, letters, scaled } from './geometry.ts';
import { windowOver } from './pixels.ts';
import { type Drawn, imageIds, planeOf, rendering, stackViewport } from './render.ts';
import { HOUNSFIELD } from './windows.ts';

/** Where pixels are on the screen: x and y of row 0, column 0, and the steps to the next ones. */
export interface Placement {
  x: number;
  y: number;
  rowX: number;
  rowY: number;
  columnX: number;
  columnY: number;
}

const SOFT_TISSUE: [centre: number, width: number] = [40, 400];

let count = 0;

export class View {
  readonly drawn: Drawn;
  readonly cut: Cut;
  readonly slice = signal(0);
  readonly window = signal<[centre: number, width: number]>([40, 400]);
  /** Counts up whenever what is on the screen has moved. */
  readonly moved = signal(0);
  readonly isShown = signal(false);
  private readonly id = `view-${++count}`;
  private viewport: StackViewport | null = null;
  private element: HTMLDivElement | null = null;
  private wanted: number;
  private isFitted = true;

  constructor(drawn: Drawn, cut: Cut, slice: number, window: [number, number] | null) {
    this.drawn = drawn;
    this.cut = cut;
    this.wanted = slice;
    this.slice.value = slice;
    if (window) this.window.value = window;
  }

  /** Return what is seen: the series, or the direction of a cut across it. */
  get title(): string {
    const { info, lattice } = this.drawn;
    if (this.cut.axis === 0 || !lattice) return info.description || info.modality;
    const along = lattice.step(this.cut.axis).map(Math.abs);
    return ['Sagittal', 'Coronal', 'Axial'][along.indexOf(Math.max(...along))]!;
  }

  /** Tell whether it is one of several cuts. */
  isOneOf(views: readonly View[] | undefined): boolean {
    return (views?.length ?? 0) > 1 && views!.includes(this);
  }

  get count(): number {
    if (this.cut.axis === 0 || !this.drawn.lattice) return this.drawn.info.slices.length;
    return this.drawn.lattice.shape[this.cut.axis];
  }

  async mount(element: HTMLDivElement): Promise<void> {
    this.element = element;
    const viewport = stackViewport(this.id, element);
    this.viewport = viewport;
    element.addEventListener(Enums.Events.IMAGE_RENDERED, this.onRendered);
    await viewport.setStack(imageIds(this.drawn, this.cut), this.wanted);
    if (this.viewport !== viewport) return;
    this.slice.value = this.wanted;
    this.applyWindow();
    viewport.resetCamera();
    viewport.render();
    this.isShown.value = true;
  }

  unmount(): void {
    this.element?.removeEventListener(Enums.Events.IMAGE_RENDERED, this.onRendered);
    if (this.viewport) rendering().disableElement(this.id);
    this.viewport = null;
    this.element = null;
    this.isShown.value = false;
  }

  private readonly onRendered = (): void => {
    this.moved.value++;
  };

  /** Take up a new size; an image that fills its place goes on to fill it. */
  resize(): void {
    if (!this.viewport) return;
    rendering().resize(true, true);
    if (this.isFitted) this.viewport.resetCamera();
    this.viewport.render();
  }

  /** Go to a slice; of several that are asked for in a row the last one is shown. */
  async goto(slice: number): Promise<void> {
    const wanted = Math.max(0, Math.min(this.count - 1, Math.round(slice)));
    this.wanted = wanted;
    this.slice.value = wanted;
    if (!this.viewport) return;
    await this.viewport.setImageIdIndex(wanted);
    if (this.viewport && this.wanted === wanted) this.applyWindow();
  }

  setWindow(centre: number, width: number): void {
    this.window.value = [centre, Math.max(width, 1e-6)];
    this.applyWindow();
  }

  /** Take the window the images state, else that of soft tissue in CT, else one over their values. */
  async ownWindow(): Promise<void> {
    const { window, unit } = this.drawn.info;
    const stated = window ?? (unit === HOUNSFIELD ? SOFT_TISSUE : null);
    const [centre, width] =
      stated ?? windowOver(await this.drawn.pixels.picture(this.sourceSlice()));
    this.setWindow(centre, width);
  }

  private sourceSlice(): number {
    return this.cut.axis === 0 ? this.slice.value : Math.floor(this.drawn.info.slices.length / 2);
  }

  private applyWindow(): void {
    const [centre, width] = this.window.value;
    this.viewport?.setProperties({
      voiRange: { lower: centre - width / 2, upper: centre + width / 2 },
    });
    this.viewport?.render();
  }

  pan(dx: number, dy: number): void {
    if (!this.viewport) return;
    this.isFitted = false;
    const [x, y] = this.viewport.getPan();
    this.viewport.setPan([x + dx, y + dy]);
    this.viewport.render();
  }

  zoom(factor: number): void {
    if (!this.viewport) return;
    this.isFitted = false;
    this.viewport.setZoom(Math.min(40, Math.max(0.2, this.viewport.getZoom() * factor)));
    this.viewport.render();
  }

  fit(): void {
    this.isFitted = true;
    this.viewport?.resetCamera();
    this.viewport?.render();
  }

  private plane(): ReturnType<typeof planeOf> {
    return planeOf(this.drawn, this.cut.axis === 0 ? null : this.cut, this.slice.value);
  }

  get size(): [rows: number, columns: number] {
    const { rows, columns } = this.plane();
    return [rows, columns];
  }

  get placement(): Placement | null {
    if (!this.viewport) return null;
    const { origin, row, column, spacing_mm } = this.plane();
    const { canvas } = this.viewport;
    const isPlain = getShouldUseCPURendering();
    // without WebGL the renderer's canvas has screen pixels that its own arithmetic takes for others
    const ratio = isPlain ? (window.devicePixelRatio * canvas.clientWidth) / canvas.width : 1;
    const onScreen = (at: Vector): Types.Point2 => {
      const [x, y] = this.viewport!.worldToCanvas(at);
      return [x * ratio, y * ratio];
    };
    const far = 100;
    const [x, y] = onScreen(origin);
    const [rx, ry] = onScreen(added(origin, scaled(column, far * spacing_mm[0])));
    const [cx, cy] = onScreen(added(origin, scaled(row, far * spacing_mm[1])));
    const step = {
      rowX: (rx - x) / far,
      rowY: (ry - y) / far,
      columnX: (cx - x) / far,
      columnY: (cy - y) / far,
    };
    // and it takes a pixel's corner for its place there, not its middle
    const corner = isPlain ? 0.5 : 0;
    return {
      x: x + corner * (step.rowX + step.columnX),
      y: y + corner * (step.rowY + step.columnY),
      ...step,
    };
  }

  /** Return the fractional row and column under a point of the viewport. */
  pixelAt(x: number, y: number): [row: number, column: number] | null {
    const at = this.placement;
    if (!at) return null;
    const determinant = at.rowX * at.columnY - at.columnX * at.rowY;
    if (!determinant) return null;
    const [dx, dy] = [x - at.x, y - at.y];
    return [
      (dx * at.columnY - dy * at.columnX) / determinant,
      (dy * at.rowX - dx * at.rowY) / determinant,
    ];
  }

  screenAt(row: number, column: number): [x: number, y: number] | null {
    const at = this.placement;
    if (!at) return null;
    return [at.x + row * at.rowX + column * at.columnX, at.y + row * at.rowY + column * at.columnY];
  }

  /** Return the index of a pixel of this view. */
  indexAt(row: number, column: number): Index {
    if (!this.drawn.lattice || this.cut.axis === 0) return [this.slice.value, row, column];
    return this.drawn.lattice.indexOf(this.cut, this.slice.value, row, column);
  }

  /** Return the letters at the right and lower edge, and those opposite; null where not known. */
  get marks(): { left: string; right: string; top: string; bottom: string } | null {
    const stored = this.drawn.info.slices[0];
    if (!stored?.row || !stored.column || !stored.origin) return null;
    const { row, column } = this.plane();
    return {
      left: letters(scaled(row, -1)),
      right: letters(row),
      top: letters(scaled(column, -1)),
      bottom: letters(column),
    };
  }

  /** Return screen pixels for a millimetre, or null where the images have no scale. */
  get pixelsPerMm(): number | null {
    const stored = this.drawn.info.slices[this.cut.axis === 0 ? this.slice.value : 0];
    const at = this.placement;
    if (!stored?.spacing_mm || !at) return null;
    return Math.hypot(at.columnX, at.columnY) / this.plane().spacing_mm[1];
  }
}

/** Return the images of a series as they were taken. */
export function asTaken(drawn: Drawn, slice: number): View {
  return new View(drawn, AS_TAKEN, slice, drawn.info.window);
}
