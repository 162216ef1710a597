// Grey-level windows by the names that commands use (domain/command.py, WindowPreset), for CT in
// Hounsfield units; the number is the key.

/** The unit of Hounsfield values, in UCUM. */
export const HOUNSFIELD = "[hnsf'U]";

export interface Preset {
  name: string;
  centre: number;
  width: number;
}

export const PRESETS: readonly Preset[] = [
  { name: 'lung', centre: -600, width: 1500 },
  { name: 'mediastinum', centre: 40, width: 400 },
  { name: 'bone', centre: 400, width: 1800 },
  { name: 'brain', centre: 40, width: 80 },
  { name: 'abdomen', centre: 50, width: 400 },
  { name: 'liver', centre: 60, width: 160 },
  { name: 'subdural', centre: 75, width: 215 },
  { name: 'stroke', centre: 40, width: 40 },
];

export function preset(name: string): Preset | undefined {
  return PRESETS.find((each) => each.name === name);
}
