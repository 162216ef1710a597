// Cornerstone3D draws; it is given values and planes, and reads no DICOM.

import {
  Enums,
  RenderingEngine,
  type StackViewport,
  type Types,
  imageLoader,
  init,
  metaData,
  utilities,
} from '@cornerstonejs/core';

import type { SeriesInfo } from './api.ts';
import { type Cut, type Lattice, type Plane, type Vector, length } from './geometry.ts';
import { type Picture, type Pixels, windowOver } from './pixels.ts';

const SCHEME = 'radcopilot';
const UNPLACED_ROW: Vector = [1, 0, 0];
const UNPLACED_COLUMN: Vector = [0, 1, 0];

/** A series as it is drawn: its values, and its lattice where the server makes a volume of it. */
export interface Drawn {
  info: SeriesInfo;
  pixels: Pixels;
  lattice: Lattice | null;
}

const opened = new Map<string, Drawn>();

/** Name the images of a cut, as the renderer asks for them. */
export function imageIds(drawn: Drawn, cut: Cut): string[] {
  const key = drawn.info.series_instance_uid;
  opened.set(key, drawn);
  const count =
    cut.axis === 0 || !drawn.lattice ? drawn.info.slices.length : drawn.lattice.shape[cut.axis];
  return Array.from({ length: count }, (_, at) => `${SCHEME}:${key}/${cut.axis}/${at}`);
}

export function forget(drawn: Drawn): void {
  opened.delete(drawn.info.series_instance_uid);
}

function found(imageId: string): { drawn: Drawn; cut: Cut | null; at: number } | null {
  const [series, axis, at] = imageId.slice(SCHEME.length + 1).split('/');
  const drawn = opened.get(series ?? '');
  if (!drawn) return null;
  const cut = axis === '0' || !drawn.lattice ? null : drawn.lattice.cut(Number(axis) as 1 | 2);
  return { drawn, cut, at: Number(at) };
}

/** Return the plane a slice is drawn in; one without a place in the patient stands at the origin. */
export function planeOf(
  drawn: Drawn,
  cut: Cut | null,
  at: number,
): Required<Plane> & {
  origin: Vector;
  row: Vector;
  column: Vector;
  spacing_mm: [number, number];
} {
  const plane = cut && drawn.lattice ? drawn.lattice.plane(cut, at) : drawn.info.slices[at]!;
  return {
    rows: plane.rows,
    columns: plane.columns,
    spacing_mm: plane.spacing_mm ?? [1, 1],
    origin: plane.origin ?? [0, 0, at],
    row: plane.row ?? UNPLACED_ROW,
    column: plane.column ?? UNPLACED_COLUMN,
  };
}

async function loaded(imageId: string): Promise<Types.IImage> {
  const image = found(imageId);
  if (!image) throw new Error('the image is of a series that was closed');
  const { drawn, cut, at } = image;
  const picture = cut ? drawn.pixels.cut(drawn.lattice!, cut, at) : await drawn.pixels.picture(at);
  return asImage(imageId, picture, planeOf(drawn, cut, at).spacing_mm);
}

function asImage(imageId: string, picture: Picture, spacing: [number, number]): Types.IImage {
  const { values, rows, columns, isColour } = picture;
  const parts = isColour ? 3 : 1;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const [centre, width] = isColour ? [127.5, 255] : windowOver(picture);
  return {
    imageId,
    minPixelValue: low,
    maxPixelValue: high,
    slope: 1,
    intercept: 0,
    windowCenter: centre,
    windowWidth: width,
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR_EXACT,
    getPixelData: () => values,
    getCanvas: () => document.createElement('canvas'),
    rows,
    columns,
    height: rows,
    width: columns,
    color: isColour,
    rgba: false,
    numberOfComponents: parts,
    rowPixelSpacing: spacing[0],
    columnPixelSpacing: spacing[1],
    invert: false,
    photometricInterpretation: isColour ? 'RGB' : 'MONOCHROME2',
    sizeInBytes: values.byteLength,
    dataType: values.constructor.name as Types.PixelDataTypedArrayString,
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      width: columns,
      height: rows,
      scalarData: values,
      numberOfComponents: parts,
    }) as Types.IVoxelManager<number>,
  };
}

function described(type: string, imageId: unknown): unknown {
  if (typeof imageId !== 'string' || !imageId.startsWith(`${SCHEME}:`)) return undefined;
  const image = found(imageId);
  if (!image) return undefined;
  const { drawn, cut, at } = image;
  const { MetadataModules } = Enums;
  if (type === MetadataModules.GENERAL_SERIES) {
    return { modality: drawn.info.modality, seriesInstanceUID: drawn.info.series_instance_uid };
  }
  if (type === MetadataModules.IMAGE_PLANE) {
    const plane = planeOf(drawn, cut, at);
    return {
      frameOfReferenceUID: drawn.info.series_instance_uid,
      rows: plane.rows,
      columns: plane.columns,
      imageOrientationPatient: [...plane.row, ...plane.column],
      rowCosines: plane.row,
      columnCosines: plane.column,
      imagePositionPatient: plane.origin,
      pixelSpacing: plane.spacing_mm,
      rowPixelSpacing: plane.spacing_mm[0],
      columnPixelSpacing: plane.spacing_mm[1],
      sliceThickness: drawn.lattice && cut ? length(drawn.lattice.step(cut.axis)) : 1,
    };
  }
  if (type === MetadataModules.IMAGE_PIXEL) {
    const picture = drawn.pixels.at(cut ? 0 : at);
    const isColour = picture?.isColour ?? false;
    const isFloat = picture?.values instanceof Float32Array;
    const bits = isColour ? 8 : isFloat ? 32 : 16;
    return {
      bitsAllocated: bits,
      bitsStored: bits,
      highBit: bits - 1,
      samplesPerPixel: isColour ? 3 : 1,
      photometricInterpretation: isColour ? 'RGB' : 'MONOCHROME2',
      pixelRepresentation: picture?.values instanceof Int16Array ? 1 : 0,
      modality: drawn.info.modality,
    };
  }
  return undefined;
}

let engine: RenderingEngine | null = null;

/** Return the one rendering engine of the page. */
export function rendering(): RenderingEngine {
  if (!engine) {
    init();
    imageLoader.registerImageLoader(
      SCHEME,
      (imageId) => ({ promise: loaded(imageId) }) as Types.IImageLoadObject,
    );
    metaData.addProvider(described, 10_000);
    engine = new RenderingEngine('page');
  }
  return engine;
}

/** Make a viewport of an element of the page. */
export function stackViewport(id: string, element: HTMLDivElement): StackViewport {
  const made = rendering();
  made.enableElement({
    viewportId: id,
    element,
    type: Enums.ViewportType.STACK,
    defaultOptions: { background: [0, 0, 0] },
  });
  return made.getViewport(id) as StackViewport;
}
