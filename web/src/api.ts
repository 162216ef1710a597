// The server's answers, as copilot/api says them, and how they are asked for.

import { pageToken, someoneHere } from './access.ts';
import type { Plane, Vector } from './geometry.ts';

export interface Arrival {
  state: string;
  says: string;
}

export interface SeriesEntry {
  series_instance_uid: string;
  modality: string;
  description: string;
  instances: number;
  made_by_us: boolean;
}

export interface StudyEntry {
  study_instance_uid: string;
  patient_id: string;
  study_date: string;
  description: string;
  series: SeriesEntry[];
  arrival: Arrival | null;
  patient_name?: string;
  accession_number?: string;
  study_time?: string;
  birth_date?: string;
  issuer?: string;
}

export interface SeriesInfo {
  study_instance_uid: string;
  series_instance_uid: string;
  modality: string;
  description: string;
  body_part: string;
  patient: { name: string; id: string; birth_date: string; sex: string };
  study: { date: string; description: string; accession_number: string };
  unit: string;
  window: [number, number] | null;
  refusal: string;
  notes: string[];
  affine: number[][] | null;
  frame_of_reference_uid: string | null;
  is_time: boolean;
  slice_spacing_known: boolean;
  frame_times_ms: number[];
  slices: Slice[];
}

/** One image of a series; `frame` is its number in its object, from 1. */
export interface Slice extends Plane {
  frame: number;
}

export interface MadeBy {
  engine: string;
  version: string;
  algorithm_type: string;
  weights_sha256: string | null;
  prompt: string;
  directed_by: string | null;
}

export interface MaskEntry {
  segment: number;
  tracking_id: string;
  tracking_uid: string;
  concept: string | null;
  side: string | null;
  voxels: number;
  volume_ml: number | null;
  slices: [number, number];
  key_slice: number;
  is_proposal: boolean;
  score: number | null;
  confidence: { agreement?: number | null; weak_slices?: number[] } | null;
  not_measured: string[];
  warnings: string[];
  made_by: MadeBy;
}

export interface MeasurementEntry {
  segment: number;
  name: string;
  value: number;
  unit: string;
  code: { value: string; scheme: string; meaning: string };
  uncertainty_95?: number;
  slice?: number;
  points_lps_mm?: Vector[];
}

export interface CandidateEntry {
  number: number;
  slice: number;
  row: number;
  column: number;
  box: [number, number, number, number, number];
  slices: [number, number];
  side: string | null;
  diameter_mm: number;
  volume_ml: number;
  score: number;
}

export interface CommandEntry {
  action: string;
  text?: string;
  choices?: string[];
  [more: string]: unknown;
}

/** A lesion on one study, in that study's millimetres. */
export interface LesionEntry {
  label: string;
  tracking_uid: string | null;
  volume_ml: number | null;
  uncertainty_95_ml: number | null;
  long_axis_mm: number | null;
  short_axis_mm: number | null;
  centre_lps_mm: Vector;
  kind: string;
  organ: string | null;
  side: string | null;
  origin: string;
  reported_by: string | null;
}

/** Which lesion is which, by tracking UIDs or labels; without one of both the other has no partner. */
export interface PairEntry {
  current: string | null;
  prior: string | null;
}

export interface AnswerEntry {
  says: string;
  pair: PairEntry;
  prior: LesionEntry | null;
  /** Of the prior's lesion, on its own images, from 0. */
  slice: number | null;
}

export interface ToldEntry extends PairEntry {
  by: string | null;
}

export interface ChangeEntry {
  verdict: string;
  reasons: string[];
  current: LesionEntry | null;
  prior: LesionEntry | null;
  change_percent: number | null;
  limits_percent: [number, number] | null;
  doubling_time: { text: string } | null;
  question: string | null;
  /** Missing in comparisons of earlier versions, as is ``told``. */
  answers?: AnswerEntry[];
  told?: ToldEntry | null;
  warnings: string[];
  sentence: string;
}

export interface RecistEntry {
  edition: string;
  response: string;
  reasons: string[];
  baseline_mm: number;
  nadir_mm: number;
  current_mm: number | null;
  volume_ml: { prior: number | null; current: number | null };
  targets: { label: string; organ: string; prior_mm: number; current_mm: number | null }[];
  not_targets: string[];
}

export interface AlignmentEntry {
  current_to_prior_lps_mm: number[][];
  is_deformable: boolean;
  accepted: boolean;
  quality: {
    structure: number;
    structure_before: number | null;
    overlap: number;
    outline: number;
    there_and_back_mm: number;
  };
  refusal: string | null;
}

export interface ComparisonEntry {
  prior_date: string | null;
  current_date: string | null;
  days_between: number | null;
  alignment: AlignmentEntry | null;
  lesions: ChangeEntry[];
  brightness: { sentence: string } | null;
  recist: RecistEntry | null;
  refusal: string | null;
  notes: string[];
  /** What persons said is what: it went before matching. */
  told?: ToldEntry[];
}

export interface PriorEntry {
  series_instance_uid: string;
  study_instance_uid: string;
  study_date: string | null;
  says: string;
}

export type ResultState =
  'running' | 'failed' | 'answered' | 'waiting' | 'accepted' | 'rejected' | 'sent' | 'replaced';

export interface Result {
  id: string;
  at: string;
  series_instance_uid: string;
  state: ResultState;
  text: string | null;
  command: CommandEntry;
  engine?: string;
  masks: MaskEntry[];
  measurements?: MeasurementEntry[];
  candidates?: CandidateEntry[];
  absent?: string[];
  refusals?: string[];
  warnings?: string[];
  error?: string;
  comparison?: ComparisonEntry;
  prior?: PriorEntry;
  /** What was outlined on the prior, by its number there. */
  prior_masks?: { segment: number; tracking_uid: string }[];
  /** Earlier series that fit equally well: the reader chooses. */
  prior_choices?: PriorEntry[];
  /** What was pointed at; empty where nothing was. */
  hints?: Record<string, unknown>;
  /** The masks that were compared as they are. */
  compared?: { result: string; segment: number; tracking_uid: string }[];
  corrects?: string;
  replaces?: string;
  replaced_by?: string;
  earlier_stays?: string;
}

export interface Delivery {
  result: string;
  peer: string;
  state: 'queued' | 'sent' | 'committed' | 'unconfirmed' | 'failed' | 'cancelled';
  attempts: number;
  says: string;
  at: string;
}

export interface Destination {
  name: string;
  at: string;
  by: string;
  objects: string[];
  confirms: boolean;
}

export interface Station {
  ae_title: string;
  engines: string[];
  default_engine: string;
  concepts: string[];
  /** Sentences to show of each intent of the grammar. */
  sentences: Record<string, string[]>;
  destinations: Destination[];
  has_ohif: boolean;
  /** Whether the site's language model may reword sentences of a report. */
  polishes: boolean;
  /** What a report can be had as. */
  report_formats: string[];
}

export class ServerError extends Error {}

async function asked(path: string, init: RequestInit): Promise<Response> {
  const headers = { ...init.headers, 'X-Page-Token': pageToken() };
  try {
    return await fetch(path, init.method ? { ...init, headers } : init);
  } catch (error) {
    if (error instanceof DOMException) throw error;
    throw new ServerError('the server does not answer: see whether radcopilot serve is running');
  }
}

async function answered(path: string, init: RequestInit = {}): Promise<Response> {
  const token = pageToken();
  let response = await asked(path, init);
  while (response.status === 401) {
    await someoneHere();
    response = await asked(path, init);
  }
  if (response.status === 403 && init.method) {
    await someoneHere(); // another tab may have logged in anew
    if (pageToken() !== token) response = await asked(path, init);
  }
  if (response.ok) return response;
  const text = await response.text();
  let detail = text.slice(0, 400) || response.statusText;
  try {
    const body = JSON.parse(text) as { detail?: unknown };
    if (typeof body.detail === 'string') detail = body.detail;
  } catch {
    // not JSON: the text itself says what happened
  }
  throw new ServerError(detail);
}

export async function get<Answer>(path: string): Promise<Answer> {
  return (await (await answered(path)).json()) as Answer;
}

export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await answered(path, signal ? { signal } : {})).arrayBuffer();
}

const NOT_YET = 202;
const OVER = 204;

/** Return a mask of a running command; null once the command is over. */
export async function getGlimpse(
  result: string,
  number: number,
): Promise<ArrayBuffer | 'later' | null> {
  const response = await answered(`/api/commands/${result}/glimpses/${number}`);
  if (response.status === OVER) return null;
  return response.status === NOT_YET ? 'later' : response.arrayBuffer();
}

export async function post<Answer>(path: string, body?: object): Promise<Answer> {
  const init: RequestInit = { method: 'POST' };
  if (body) {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  return (await (await answered(path, init)).json()) as Answer;
}

export async function put<Answer>(path: string, body: object): Promise<Answer> {
  const headers = { 'Content-Type': 'application/json' };
  const init = { method: 'PUT', headers, body: JSON.stringify(body) };
  return (await (await answered(path, init)).json()) as Answer;
}

export async function remove<Answer>(path: string): Promise<Answer> {
  return (await (await answered(path, { method: 'DELETE' })).json()) as Answer;
}

export async function postBytes<Answer>(
  path: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<Answer> {
  const headers = { 'Content-Type': 'application/octet-stream' };
  return (await (await answered(path, { method: 'POST', headers, body })).json()) as Answer;
}

type Attribute = { Value?: unknown[] };
type DicomJson = Record<string, Attribute | undefined>;

function text(value: unknown): string {
  if (typeof value === 'object' && value && 'Alphabetic' in value) return String(value.Alphabetic);
  return value === undefined || value === null ? '' : String(value);
}

/** Return the stored studies: arrival and series from our own list, names from QIDO-RS. */
export async function listedStudies(): Promise<StudyEntry[]> {
  const [entries, found] = await Promise.all([
    get<StudyEntry[]>('/api/studies'),
    answered('/dicom-web/studies?limit=1000').then(async (response) =>
      response.status === 204 ? [] : ((await response.json()) as DicomJson[]),
    ),
  ]);
  const named = new Map(found.map((each) => [text(each['0020000D']?.Value?.[0]), each]));
  return entries.map((entry) => {
    const header = named.get(entry.study_instance_uid);
    return {
      ...entry,
      patient_name: text(header?.['00100010']?.Value?.[0]).replace('^', ', ').replaceAll('^', ' '),
      accession_number: text(header?.['00080050']?.Value?.[0]),
      birth_date: text(header?.['00100030']?.Value?.[0]),
      issuer: text(header?.['00100021']?.Value?.[0]),
      study_time: text(header?.['00080030']?.Value?.[0]),
    };
  });
}
