// What shows the images: our own views, or another viewer that this is a panel of. What is asked of
// it is little, so that sentences, findings and decisions are the same code in both.

import type { Result, StudyEntry } from './api.ts';
import type { Index, Vector } from './geometry.ts';

export interface Viewer {
  /** Show a series of the study that is open. */
  openSeries(study: StudyEntry, series: string): Promise<void>;
  /** Bring the images to an index of the series that is shown. */
  goto(index: Index): Promise<void>;
  /** Do what a command asks of the images. */
  perform(result: Result): Promise<void>;
  /** Show a series of an earlier study beside the one that is open, where there is room for it. */
  showBeside?(series: string): Promise<void>;
  /** Bring the series beside to a position in its own millimetres. */
  gotoBeside?(position: Vector): Promise<void>;
  /** Return why a finding is not on the screen as it is; null where it is. */
  whyNotSeen(finding: string): string | null;
  /** Whether the keys of the page work here. */
  hasKeys: boolean;
}

let shown: Viewer | null = null;

/** Say what shows the images; once, at the start. */
export function show(viewer: Viewer): void {
  shown = viewer;
}

export function viewer(): Viewer {
  if (!shown) throw new Error('nothing shows images yet');
  return shown;
}

/** Return a key's name after the words it belongs to, where there are keys. */
export const byKey = (key: string): string => (viewer().hasKeys ? ` (${key})` : '');
