// Commands and what comes of them: answers, decisions, corrections, and what is sent.

import { batch } from '@preact/signals';
import {
  type Delivery,
  type PairEntry,
  type Result,
  type Station,
  get,
  listedStudies,
  post,
  postBytes,
  put,
} from './api.ts';
import { showComparison } from './comparing.ts';
import { context, remember } from './context.ts';
import { forgetGlimpses, glimpse } from './glimpses.ts';
import { asBody } from './hints.ts';
import { hidesAll } from './looks.ts';
import {
  type Finding,
  SHOWN,
  attempt,
  deliveries,
  engine,
  extent,
  findings,
  hints,
  isSendOpen,
  masks,
  open,
  pageCommand,
  painted,
  progress,
  question,
  results,
  said,
  say,
  station,
  studies,
} from './station.ts';
import { fetchMasks, refreshStudy, select } from './looking.ts';
import { byKey, viewer } from './viewer.ts';

const asked = new Set<string>();
/** What the page does by itself as soon as it is understood, whatever the engine is at. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'accept',
  'cancel',
  'delete',
  'dictate',
  'draft_report',
  'goto',
  'help',
  'next',
  'open_prior',
  'previous',
  'read_back',
  'redo',
  'reject',
  'resize',
  'send',
  'show',
  'undo',
  'window',
]);

export async function loadEverything(): Promise<void> {
  await attempt(async () => {
    const [about, listed, made, sent] = await Promise.all([
      get<Station>('/api/station'),
      listedStudies(),
      get<Result[]>('/api/commands'),
      get<Delivery[]>('/api/deliveries'),
    ]);
    batch(() => {
      station.value = about;
      studies.value = listed;
      results.value = new Map(made.map((each) => [each.id, each]));
      deliveries.value = sent;
    });
    refreshStudy();
    void fetchMasks();
  });
}

export async function loadResult(id: string): Promise<void> {
  await attempt(async () => take(await get<Result>(`/api/commands/${id}`)));
}

function take(result: Result): void {
  const before = results.value.get(result.id);
  results.value = new Map(results.value).set(result.id, result);
  if (result.state !== 'running') {
    const left = new Map(progress.value);
    left.delete(result.id);
    progress.value = left;
  }
  if (result.corrects && SHOWN.has(result.state)) void loadReplaced(result);
  if (asked.has(result.id) && before?.state === 'running' && result.state !== 'running') {
    asked.delete(result.id);
    answer(result);
  }
  void fetchMasks().then(forgetGlimpses);
}

async function loadReplaced(result: Result): Promise<void> {
  const earlier = await get<Result>(`/api/commands/${result.corrects}`).catch(() => null);
  if (earlier) results.value = new Map(results.value).set(earlier.id, earlier);
}

const isOfOpenStudy = (result: Result): boolean =>
  open.value?.study.series.some(
    (each) => each.series_instance_uid === result.series_instance_uid,
  ) ?? false;

const isOnPrior = (result: Result): boolean =>
  open.value?.prior?.drawn.info.series_instance_uid === result.series_instance_uid;

/** Ask what the server asks back, or say what it refuses. */
function ask({ command: meant, refusals, absent }: Result): void {
  question.value = {
    says: [
      ...(meant.action === 'question' && meant.text ? [meant.text] : []),
      ...(refusals ?? []),
      ...(absent ?? []),
    ],
    choices: (meant.choices ?? []).map((says) => ({ says, act: () => void command(says) })),
  };
}

/** Ask which of several earlier series is the prior, and compare with that one. */
function askPrior({ text, refusals, prior_choices }: Result): void {
  question.value = {
    says: refusals ?? [],
    choices: (prior_choices ?? []).map(({ says, series_instance_uid }) => ({
      says,
      act: () => void command(text ?? 'compare with the prior', series_instance_uid),
    })),
  };
}

/** Say what a command came to, and do what it asks of the page. */
function answer(result: Result): void {
  if (isOnPrior(result)) return answerOnPrior(result);
  if (!isOfOpenStudy(result)) {
    const says = 'An answer has come for a study that is not open: it waits there.';
    said.value = { says, isError: false, isOfNone: true };
    return;
  }
  if (result.state === 'failed') {
    say(result.error ?? 'the command came to nothing', true);
    return;
  }
  if (result.command.action === 'question') return ask(result);
  if (result.prior_choices?.length) return askPrior(result);
  if (result.comparison) {
    hints.value = [];
    extent.value = null;
    return void showComparison(result);
  }
  const first = result.masks[0];
  if (first) {
    hints.value = [];
    extent.value = null;
    void select(`${result.id}/${first.segment}`);
    say(
      result.warnings?.length
        ? result.warnings.join(' · ')
        : 'Outlined: look, then accept or reject.',
    );
    return;
  }
  if (result.candidates?.length) {
    const count = result.candidates.length;
    return say(
      `${count} ${count === 1 ? 'place' : 'places'} to look at, in the panel: none is a finding yet.`,
    );
  }
  if (result.refusals?.length || result.absent?.length) return ask(result);
  pageCommand.value = result;
}

function answerOnPrior(result: Result): void {
  if (result.state === 'failed') return say(result.error ?? 'it came to nothing', true);
  if (!result.masks.length) return ask(result);
  say('Outlined on the prior: open that study to accept or reject it.');
}

async function begin(body: Record<string, unknown>): Promise<void> {
  const began = await post<Result>('/api/commands', body);
  remember(began);
  const isForPage = AT_ONCE.has(began.command.action) || began.state !== 'running';
  if (isForPage || began.command.action === 'question') return answer(began);
  asked.add(began.id);
  const known = results.value.get(began.id);
  if (!known) results.value = new Map(results.value).set(began.id, began);
  void glimpse(began);
  // it may have been done before the answer came
  await loadResult(began.id);
}

/** Compare again with what the reader says is what, and nothing pointed at. */
export async function compareTold(result: Result, pairs: readonly PairEntry[]): Promise<void> {
  const now = open.value;
  if (!now || result.series_instance_uid !== now.drawn.info.series_instance_uid) return;
  question.value = null;
  said.value = null;
  await attempt(async () => {
    await begin({
      series_instance_uid: result.series_instance_uid,
      text: 'compare with the prior',
      wait: false,
      prior: result.prior?.series_instance_uid,
      pairs: pairs.map(({ current, prior }) => ({ current, prior })),
    });
  });
}

/** Send a sentence with what was pointed at; ``prior`` is the series to compare with. */
export async function command(text: string, prior?: string): Promise<void> {
  const now = open.value;
  if (!now || !text.trim()) return;
  question.value = null;
  said.value = null;
  await attempt(async () => {
    const body: Record<string, unknown> = {
      series_instance_uid: now.drawn.info.series_instance_uid,
      text: text.trim(),
      wait: false,
      ...asBody(hints.value),
      context: context(),
    };
    if (extent.value) body['slices'] = [extent.value[0], extent.value[1] + 1];
    if (engine.value) body['engine'] = engine.value;
    if (prior) body['prior'] = prior;
    await begin(body);
  });
}

export async function stop(id: string): Promise<void> {
  await attempt(() => post(`/api/commands/${id}/stop`));
}

/** Return why a yes to a result cannot be given: what is accepted has been seen as it is. */
function whyNotYet({ result }: Finding): string | null {
  const all = findings.value.filter((each) => each.result.id === result.id);
  if (all.some(({ key }) => masks.value.get(key)?.isChanged)) {
    return `The outline was changed: measure it anew${byKey('C')} or undo the change first.`;
  }
  if (hidesAll.value) return `The outlines are hidden: show them first${byKey('H')}.`;
  if (all.some(({ key }) => !masks.value.has(key))) {
    return 'The outline is not on the screen: select the finding first.';
  }
  return all.map(({ key }) => viewer().whyNotSeen(key)).find((each) => each !== null) ?? null;
}

export async function decide(finding: Finding, yes: boolean): Promise<void> {
  const reason = yes ? whyNotYet(finding) : null;
  if (reason) return say(reason, true);
  await attempt(async () => {
    take(await post<Result>(`/api/commands/${finding.result.id}/${yes ? 'accept' : 'reject'}`));
    say(
      yes ? `Accepted. Nothing has left yet: send when you are ready${byKey('G')}.` : 'Rejected.',
    );
  });
}

/** Return the accepted results of the open study, each once, with its findings. */
export function accepted(): Finding[][] {
  const byResult = new Map<string, Finding[]>();
  for (const finding of findings.value) {
    if (finding.result.state !== 'accepted') continue;
    byResult.set(finding.result.id, [...(byResult.get(finding.result.id) ?? []), finding]);
  }
  return [...byResult.values()];
}

/** Send what the sheet shows, after the reader's yes to the sheet. */
export async function sendAccepted(): Promise<void> {
  const ids = accepted().map((group) => group[0]!.result.id);
  if (!ids.length || !station.value?.destinations.length) {
    return say('There is nothing to send, or nowhere to send it: the sheet says which.', true);
  }
  isSendOpen.value = false;
  await send(ids);
}

async function send(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await attempt(async () => {
      const made = await post<Result & { peers: Delivery[] }>(`/api/commands/${id}/send`);
      take(made);
      made.peers.forEach(takeDelivery);
    });
  }
}

export async function retry(delivery: Delivery): Promise<void> {
  await attempt(async () => {
    const path = `/api/deliveries/${delivery.result}/${encodeURIComponent(delivery.peer)}/retry`;
    takeDelivery(await post<Delivery>(path));
  });
}

export function takeDelivery(delivery: Delivery): void {
  const others = deliveries.value.filter(
    (each) => each.result !== delivery.result || each.peer !== delivery.peer,
  );
  deliveries.value = [delivery, ...others];
}

/** Say what a finding is: a new result stands in its place. */
export async function rename(finding: Finding, concept: string): Promise<void> {
  if (masks.value.get(finding.key)?.isChanged) {
    return say(
      `The outline was changed: measure it anew${byKey('C')} or undo the change first.`,
      true,
    );
  }
  await attempt(async () => {
    const { result, mask } = finding;
    const path = `/api/commands/${result.id}/masks/${mask.segment}/concept`;
    const made = await put<Result>(path, { concept });
    take(made);
    await loadResult(result.id);
    const named = made.masks.find((each) => each.segment === mask.segment) ?? made.masks[0];
    if (named) await select(`${made.id}/${named.segment}`);
    say(`It is a ${concept} now; it waits for your yes.`);
  });
}

/** Give a corrected mask back: the server measures it anew. */
export async function keepCorrection(finding: Finding): Promise<void> {
  const mask = masks.value.get(finding.key);
  if (!mask?.isChanged) return;
  await attempt(async () => {
    const path = `/api/commands/${finding.result.id}/masks/${finding.mask.segment}`;
    const made = await postBytes<Result>(path, await mask.packed());
    mask.restore();
    painted.value++;
    take(made);
    const first = made.masks[0];
    if (first) await select(`${made.id}/${first.segment}`);
    say('The corrected outline was measured anew. Accepting it replaces the first.');
  });
}
