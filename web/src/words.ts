// Numbers, dates and names as they are shown.

import type { Delivery, MaskEntry, MeasurementEntry, Result } from './api.ts';

export function date(dicom: string): string {
  return /^\d{8}$/.test(dicom)
    ? `${dicom.slice(0, 4)}-${dicom.slice(4, 6)}-${dicom.slice(6)}`
    : dicom;
}

export function age(birth: string, at: string): string {
  if (!/^\d{8}$/.test(birth) || !/^\d{8}$/.test(at)) return '';
  const years = Math.floor((Number(at) - Number(birth)) / 10_000);
  return years >= 0 && years < 150 ? `${years} y` : '';
}

export function title(mask: MaskEntry): string {
  const name = mask.concept ?? 'lesion';
  const whole = mask.side && !name.includes(mask.side) ? `${mask.side} ${name}` : name;
  return whole[0]!.toUpperCase() + whole.slice(1);
}

const UNITS: Record<string, string> = {
  ml: 'mL',
  mL: 'mL',
  mm: 'mm',
  "[hnsf'U]": 'HU',
  '1': '',
  'g/ml{SUVbw}': 'g/mL',
  cm2: 'cm²',
  mm2: 'mm²',
};
const DIGITS: Record<string, number> = { ml: 2, mL: 2, mm: 1, "[hnsf'U]": 0 };

const LABELS: Record<string, string> = {
  volume: 'Volume',
  long_axis: 'Long axis',
  short_axis: 'Short axis',
  maximum_3d_diameter: '3D diameter',
  mean_attenuation: 'Mean',
  median_attenuation: 'Median',
  minimum_attenuation: 'Lowest',
  maximum_attenuation: 'Highest',
  standard_deviation_attenuation: 'Spread (SD)',
  mean_suv: 'SUVmean',
  maximum_suv: 'SUVmax',
  peak_suv: 'SUVpeak',
};
const MAIN: ReadonlySet<string> = new Set([
  'volume',
  'long_axis',
  'short_axis',
  'maximum_3d_diameter',
  'area',
  'mean_attenuation',
  'mean_suv',
  'maximum_suv',
]);

export function label({ name }: MeasurementEntry): string {
  const words = LABELS[name] ?? name.replaceAll('_', ' ');
  return words[0]!.toUpperCase() + words.slice(1);
}

const ofMask = (result: Result, mask: MaskEntry): MeasurementEntry[] =>
  result.measurements?.filter((each) => each.segment === mask.segment) ?? [];

export const mainMeasures = (result: Result, mask: MaskEntry): MeasurementEntry[] =>
  ofMask(result, mask).filter((each) => MAIN.has(each.name));

export const otherMeasures = (result: Result, mask: MaskEntry): MeasurementEntry[] =>
  ofMask(result, mask).filter((each) => !MAIN.has(each.name));

export function quantity({ value, unit, uncertainty_95 }: MeasurementEntry): string {
  const digits = DIGITS[unit] ?? 2;
  const shown = `${value.toFixed(digits)} ${UNITS[unit] ?? unit}`.trim();
  return uncertainty_95 ? `${shown} ± ${uncertainty_95.toFixed(digits)}` : shown;
}

export const STATES: Record<Result['state'], string> = {
  running: 'at work',
  failed: 'failed',
  answered: 'answered',
  waiting: 'waits for you',
  accepted: 'accepted',
  rejected: 'rejected',
  sent: 'sent',
  replaced: 'replaced',
};

export const DELIVERY: Record<Delivery['state'], string> = {
  queued: 'on its way',
  sent: 'sent, not confirmed yet',
  committed: 'confirmed',
  unconfirmed: 'stored; it offers no confirmation',
  failed: 'failed',
  cancelled: 'stopped',
};

export const FORMATS: Record<string, string> = {
  pdf: 'PDF',
  html: 'HTML',
  text: 'Text',
  markdown: 'Markdown',
  csv: 'Measurements (CSV)',
  fhir: 'FHIR',
  hl7: 'HL7',
};

export const OBJECTS: Record<string, string> = {
  seg: 'Segmentation (DICOM-SEG)',
  labelmap: 'Segmentation (label map)',
  sr: 'Measurements (structured report)',
  secondary_capture: 'Pictures (secondary capture)',
  pdf: 'Draft (PDF)',
  rtstruct: 'Contours (RT structure set)',
  gsps: 'Outlines (presentation state)',
};

const IMAGE_UNITS: Record<string, string> = {
  "[hnsf'U]": 'HU',
  '1': '',
  '{SUVbw}g/ml': 'SUV',
  'g/ml{SUVbw}': 'SUV',
};

/** Return a UCUM code of the images' values as readers say it. */
export const unitWords = (code: string): string => IMAGE_UNITS[code] ?? code;
