// Which voxels are within a distance of one another, in millimetres of the patient.

import { type Index, type Lattice, added, length, scaled } from './geometry.ts';

/** Voxels at exactly the distance belong to it, whatever the rounding of their spacing. */
const SLACK_MM = 1e-4;

/** Return the steps from a voxel to those within a distance, itself left out. */
export function within(lattice: Lattice, mm: number, isTime: boolean): Index[] {
  const steps = ([0, 1, 2] as const).map((axis) => lattice.step(axis));
  const most = steps.map((step, axis) =>
    isTime && axis === 0 ? 0 : Math.floor((mm + SLACK_MM) / length(step)),
  );
  const found: Index[] = [];
  for (let s = -most[0]!; s <= most[0]!; s++) {
    for (let r = -most[1]!; r <= most[1]!; r++) {
      for (let c = -most[2]!; c <= most[2]!; c++) {
        const way = added(scaled(steps[0]!, s), added(scaled(steps[1]!, r), scaled(steps[2]!, c)));
        if ((s || r || c) && length(way) <= mm + SLACK_MM) found.push([s, r, c]);
      }
    }
  }
  return found;
}
