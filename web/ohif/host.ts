// OHIF as we use it: its services by the names its documentation has, and no more of each than is
// asked for here.

import type { Vector } from '../src/geometry.ts';

export interface DisplaySet {
  displaySetInstanceUID: string;
  StudyInstanceUID: string;
  SeriesInstanceUID: string;
  Modality: string;
  imageIds?: string[];
  /** Of a segmentation: what it lies on. */
  referencedDisplaySetInstanceUID?: string;
}

interface Subscription {
  unsubscribe: () => void;
}

interface Events<Name extends string> {
  EVENTS: Record<Name, string>;
  subscribe(event: string, act: () => void): Subscription;
}

type ViewportEvent = 'ACTIVE_VIEWPORT_ID_CHANGED' | 'GRID_STATE_CHANGED' | 'VIEWPORTS_READY';

interface ViewportGrid extends Events<ViewportEvent> {
  getState(): {
    activeViewportId: string | null;
    viewports: ReadonlyMap<string, { displaySetInstanceUIDs?: string[] }>;
  };
  setDisplaySetsForViewport(change: { viewportId: string; displaySetInstanceUIDs: string[] }): void;
}

interface DisplaySets extends Events<'DISPLAY_SETS_ADDED'> {
  getDisplaySetByUID(uid: string): DisplaySet | undefined;
  getActiveDisplaySets(): DisplaySet[];
}

/** One segmentation of OHIF; its voxels lie in derived images, one to an image of the series. */
export interface Segmentation {
  representationData: {
    Labelmap?: { imageIds: string[]; referencedImageIds: string[] };
  };
}

interface Segmentations {
  createLabelmapForDisplaySet(
    displaySet: DisplaySet,
    options: {
      segmentationId: string;
      label: string;
      segments: Record<number, { label: string; active: boolean; locked: boolean }>;
    },
  ): Promise<string>;
  getSegmentation(id: string): Segmentation | undefined;
  getSegmentationRepresentations(viewportId: string, of: { segmentationId: string }): unknown[];
  addSegmentationRepresentation(
    viewportId: string,
    of: { segmentationId: string; type: 'Labelmap' },
  ): Promise<void>;
  remove(id: string): void;
  setSegmentColor(viewportId: string, id: string, segment: number, colour: number[]): void;
  setSegmentVisibility(
    viewportId: string,
    id: string,
    segment: number,
    isVisible: boolean,
    type: 'Labelmap',
  ): void;
  setStyle(of: { type: 'Labelmap'; segmentationId: string }, style: Record<string, number>): void;
}

/** A viewport of Cornerstone3D: a stack of images, or a cut through a volume. */
export interface Viewport {
  element: HTMLDivElement;
  type: string;
  getImageIds?(): string[];
  setImageIdIndex?(index: number): Promise<string>;
  jumpToWorld?(position: Vector): void;
  render(): void;
}

export interface Services {
  viewportGridService: ViewportGrid;
  displaySetService: DisplaySets;
  segmentationService: Segmentations;
  cornerstoneViewportService: { getCornerstoneViewport(id: string): Viewport | undefined };
  measurementService: { remove(uid: string): void };
}

export interface Annotation {
  annotationUID: string;
  metadata: { toolName: string; referencedImageId?: string };
  data: { handles: { points: Vector[] } };
}

interface Target {
  addEventListener(type: string, act: (event: CustomEvent) => void): void;
}

interface Libraries {
  cornerstone: {
    eventTarget: Target;
    metaData: { get(kind: string, imageId: string): Record<string, unknown> | undefined };
    cache: { getImage(id: string): { voxelManager: Voxels } | undefined };
  };
  cornerstoneTools: {
    Enums: { Events: Record<string, string> };
    annotation: {
      state: {
        getAnnotation(uid: string): Annotation | undefined;
        removeAnnotation(uid: string): void;
      };
    };
    segmentation: {
      triggerSegmentationEvents: { triggerSegmentationDataModified(id: string): void };
    };
  };
}

interface Voxels {
  getScalarData(): Uint8Array;
}

interface Managers {
  servicesManager: { services: Services };
  commandsManager: { runCommand(name: string, options: Record<string, unknown>): unknown };
  extensionManager: {
    getModuleEntry(id: string): { exports: { getCornerstoneLibraries(): Libraries } } | undefined;
  };
}

const COMMON = '@ohif/extension-cornerstone.utilityModule.common';

let managers: Managers | null = null;

/** Take what OHIF hands to an extension. */
export function enter(given: Managers): void {
  managers = given;
}

function here(): Managers {
  if (!managers) throw new Error('OHIF has not begun this extension');
  return managers;
}

export const services = (): Services => here().servicesManager.services;

/** OHIF's own Cornerstone3D: a second one would know nothing of its viewports. */
export function libraries(): Libraries {
  const entry = here().extensionManager.getModuleEntry(COMMON);
  if (!entry) throw new Error(`this OHIF has no ${COMMON}: version 3.9 or newer is needed`);
  return entry.exports.getCornerstoneLibraries();
}

export function run(command: string, options: Record<string, unknown>): void {
  here().commandsManager.runCommand(command, options);
}

/** Return the display sets of a viewport that are images; a segmentation stands for what it is on. */
export function imagesIn(viewportId: string): DisplaySet[] {
  const { viewportGridService, displaySetService } = services();
  const shown = viewportGridService.getState().viewports.get(viewportId);
  return (shown?.displaySetInstanceUIDs ?? []).flatMap((uid) => {
    const set = displaySetService.getDisplaySetByUID(uid);
    const on = set?.referencedDisplaySetInstanceUID;
    const images = on ? displaySetService.getDisplaySetByUID(on) : set;
    return images?.imageIds?.length ? [images] : [];
  });
}
