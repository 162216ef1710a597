// Where one looks: findings and candidates gone to, whatever shows the images; masks brought, and the
// list of studies.

import { type CandidateEntry, listedStudies } from './api.ts';
import type { Index } from './geometry.ts';
import { Mask } from './mask.ts';
import {
  type Finding,
  attempt,
  crosshair,
  drawnFindings,
  extent,
  findings,
  hints,
  masks,
  open,
  selected,
  studies,
} from './station.ts';
import { viewer } from './viewer.ts';

/** Go to a candidate, with a box round it: a command then makes a finding of it. */
export async function lookAt({ slice, row, column, box }: CandidateEntry): Promise<void> {
  const [, r0, c0, r1, c1] = box;
  hints.value = [{ kind: 'box', slice, rows: [r0, r1], columns: [c0, c1] }];
  extent.value = null;
  await gotoIndex([slice, row, column]);
}

export async function loadStudies(): Promise<void> {
  await attempt(async () => {
    studies.value = await listedStudies();
    refreshStudy();
  });
}

export function refreshStudy(): void {
  const now = open.value;
  const fresh = studies.value?.find(
    (each) => each.study_instance_uid === now?.study.study_instance_uid,
  );
  if (now && fresh) open.value = { ...now, study: fresh };
}

const arriving = new Map<string, Promise<void>>();

export async function fetchMasks(): Promise<void> {
  const wanted = drawnFindings().map(({ key }) => key);
  const kept = new Map([...masks.value].filter(([key]) => wanted.includes(key)));
  if (kept.size !== masks.value.size) masks.value = kept;
  await Promise.all(
    wanted
      .filter((key) => !masks.value.has(key))
      .map((key) => {
        if (!arriving.has(key)) {
          arriving.set(
            key,
            fetchMask(key).finally(() => arriving.delete(key)),
          );
        }
        return arriving.get(key);
      }),
  );
}

async function fetchMask(key: string): Promise<void> {
  const [result, segment] = key.split('/');
  const mask = await attempt(() => Mask.fetched(result!, Number(segment)));
  if (mask && drawnFindings().some((each) => each.key === key)) {
    masks.value = new Map(masks.value).set(key, mask);
  }
}

/** Go to a finding: its series, its main slice. */
export async function select(key: string | null): Promise<void> {
  selected.value = key;
  const finding = findings.value.find((each) => each.key === key);
  const now = open.value;
  if (!finding || !now) return;
  const series = finding.result.series_instance_uid;
  if (series !== now.drawn.info.series_instance_uid) await viewer().openSeries(now.study, series);
  await fetchMasks();
  if (selected.value === key) await gotoIndex(centre(finding));
}

function centre({ mask, key }: Finding): Index {
  const middle = masks.value.get(key)?.centreOn(mask.key_slice);
  return [mask.key_slice, middle?.[0] ?? crosshair.value[1], middle?.[1] ?? crosshair.value[2]];
}

/** Bring the images to an index. */
export async function gotoIndex(index: Index): Promise<void> {
  crosshair.value = index;
  await viewer().goto(index);
}
