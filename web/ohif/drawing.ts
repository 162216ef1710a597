// Findings drawn on OHIF's images: each one a segmentation of its own, its voxels those the server
// sent, written image by image. It is locked: what is accepted is what the server measured.

import { effect } from '@preact/signals';

import { AS_TAKEN } from '../src/geometry.ts';
import { fill, hidesAll, look } from '../src/looks.ts';
import type { Mask } from '../src/mask.ts';
import { type Finding, attempt, here, masks, open, ordinal, painted } from '../src/station.ts';
import { title } from '../src/words.ts';
import { type Following, following, turned } from './following.ts';
import { imagesIn, libraries, services } from './host.ts';

interface Drawn {
  mask: Mask;
  /** Of which state of the mask the voxels are. */
  painted: number;
  displaySet: string;
}

const SEGMENT = 1;
const LABELMAP = 'Labelmap';
const OPAQUE = 255;
const drawn = new Map<string, Drawn>();
const refused = new Map<string, string>();

const nameOf = (key: string): string => `radcopilot:${key}`;

/** Draw what is found for as long as the page lives. */
export function draw(): void {
  effect(() => {
    const now = following.value;
    const wanted = now ? here.value : [];
    const state = { masks: masks.value, painted: painted.value, turned: turned.value };
    void [fill.value, hidesAll.value, ...wanted.map(({ key }) => look(key))];
    void state;
    line = line.then(() => attempt(() => reconcile(now, wanted)));
  });
}

/** One at a time: each change begins from what the one before left. */
let line: Promise<unknown> = Promise.resolve();

/** Forget what OHIF has taken away with its mode. */
export function forgetDrawn(): void {
  drawn.clear();
  refused.clear();
}

/** Return why a finding is not on the screen as the server has it; null where it is. */
export function whyNotSeen(key: string): string | null {
  if (refused.has(key)) return refused.get(key)!;
  const isShown = viewportsOf(following.value).some((id) => isOn(id, key));
  if (!drawn.has(key) || !isShown) {
    return 'The outline is not on the screen: select the finding first.';
  }
  return look(key).isVisible ? null : 'The outline is hidden: show it first.';
}

async function reconcile(now: Following | null, wanted: readonly Finding[]): Promise<void> {
  if (following.value !== now) return;
  for (const key of [...drawn.keys()]) {
    const isWanted = wanted.some((each) => each.key === key);
    const isHere = drawn.get(key)!.displaySet === now?.displaySet.displaySetInstanceUID;
    if (!isWanted || !isHere) erase(key);
  }
  if (!now) return;
  for (const finding of wanted) {
    const mask = masks.value.get(finding.key);
    if (!mask || !isOfThese(finding, now)) continue;
    if (!drawn.has(finding.key)) await create(finding, mask, now);
    if (following.value !== now) return erase(finding.key);
    const made = drawn.get(finding.key);
    if (!made) continue;
    if (made.mask !== mask || made.painted !== painted.value) write(finding.key, mask, now);
    await show(finding.key, now);
  }
}

/** A mask goes onto the series it was made of and onto no other, whatever OHIF shows meanwhile. */
function isOfThese({ result }: Finding, { displaySet }: Following): boolean {
  const { info } = open.value!.drawn;
  return (
    result.series_instance_uid === displaySet.SeriesInstanceUID &&
    info.series_instance_uid === displaySet.SeriesInstanceUID &&
    info.study_instance_uid === displaySet.StudyInstanceUID
  );
}

async function create({ key, mask: entry }: Finding, mask: Mask, now: Following): Promise<void> {
  const reason = whyNotDrawn(mask, now);
  if (reason) {
    refused.set(key, reason);
    return;
  }
  refused.delete(key);
  const label = `${ordinal(key)} ${title(entry)}`;
  await services().segmentationService.createLabelmapForDisplaySet(now.displaySet, {
    segmentationId: nameOf(key),
    label,
    segments: { [SEGMENT]: { label, active: true, locked: true } },
  });
  drawn.set(key, { mask, painted: -1, displaySet: now.displaySet.displaySetInstanceUID });
}

function whyNotDrawn(mask: Mask, { place, displaySet }: Following): string | null {
  if ('refusal' in place) return place.refusal;
  const { slices } = open.value!.drawn.info;
  const [count, rows, columns] = mask.shape;
  if (count !== slices.length || rows !== slices[0]!.rows || columns !== slices[0]!.columns) {
    return 'The outline has another shape than the images: read it on the station’s own page.';
  }
  const shown = new Set(place.slices);
  const isWhole = slices.every((_, slice) => shown.has(slice) || !mask.on(AS_TAKEN, slice));
  if (isWhole) return null;
  return `Part of the outline lies on images that are not among the ${displaySet.imageIds!.length} of this series in OHIF: read it on the station’s own page.`;
}

/** Write a mask's voxels into the images of its segmentation. */
function write(key: string, mask: Mask, { place, displaySet }: Following): void {
  const { cornerstone, cornerstoneTools } = libraries();
  const segmentation = services().segmentationService.getSegmentation(nameOf(key));
  const labelmap = segmentation?.representationData.Labelmap;
  if (!labelmap || 'refusal' in place) return;
  labelmap.imageIds.forEach((id, n) => {
    const at = displaySet.imageIds!.indexOf(labelmap.referencedImageIds[n]!);
    const voxels = cornerstone.cache.getImage(id)!.voxelManager.getScalarData();
    const pixels = mask.on(AS_TAKEN, place.slices[at]!);
    if (pixels) voxels.set(pixels);
    else voxels.fill(0);
  });
  drawn.set(key, { ...drawn.get(key)!, mask, painted: painted.value });
  const { triggerSegmentationEvents } = cornerstoneTools.segmentation;
  triggerSegmentationEvents.triggerSegmentationDataModified(nameOf(key));
}

/** Put a segmentation on every viewport of its series, as it looks. */
async function show(key: string, now: Following): Promise<void> {
  const { segmentationService } = services();
  const segmentationId = nameOf(key);
  const { colour, isVisible } = look(key);
  for (const id of viewportsOf(now)) {
    if (!isOn(id, key)) {
      await segmentationService.addSegmentationRepresentation(id, {
        segmentationId,
        type: LABELMAP,
      });
    }
    if (!isOn(id, key)) continue;
    segmentationService.setSegmentColor(id, segmentationId, SEGMENT, [...rgb(colour), OPAQUE]);
    const seen = isVisible && !hidesAll.value;
    segmentationService.setSegmentVisibility(id, segmentationId, SEGMENT, seen, LABELMAP);
  }
  segmentationService.setStyle(
    { type: LABELMAP, segmentationId },
    { fillAlpha: fill.value, fillAlphaInactive: fill.value },
  );
}

function erase(key: string): void {
  drawn.delete(key);
  const { segmentationService } = services();
  if (segmentationService.getSegmentation(nameOf(key))) segmentationService.remove(nameOf(key));
}

/** Return the viewports that show the images which are followed. */
export function viewportsOf(now: Following | null): string[] {
  if (!now) return [];
  const { viewports } = services().viewportGridService.getState();
  const wanted = now.displaySet.displaySetInstanceUID;
  const { cornerstoneViewportService } = services();
  return [...viewports.keys()].filter(
    (id) =>
      imagesIn(id).some((each) => each.displaySetInstanceUID === wanted) &&
      cornerstoneViewportService.getCornerstoneViewport(id) !== undefined,
  );
}

const isOn = (viewportId: string, key: string): boolean =>
  services().segmentationService.getSegmentationRepresentations(viewportId, {
    segmentationId: nameOf(key),
  }).length > 0;

const rgb = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
