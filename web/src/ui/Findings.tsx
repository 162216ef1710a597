import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { whyNot } from '../access.ts';
import type { MeasurementEntry, Result } from '../api.ts';
import { comparison, isFollowed } from '../comparing.ts';
import { gotoIndex, lookAt, select } from '../looking.ts';
import { COLOURS, fill, look, setLook } from '../looks.ts';
import { decide, rename } from '../orders.ts';
import { decideCurrent, keepCurrent } from '../performing.ts';
import {
  type Finding,
  candidates,
  crosshair,
  current,
  dismissCandidates,
  findings,
  hints,
  isSendOpen,
  masks,
  ordinal,
  painted,
  selected,
  station,
} from '../station.ts';
import { STATES, label, mainMeasures, otherMeasures, quantity, title } from '../words.ts';
import { Comparison } from './Comparison.tsx';
import { Deliveries } from './SendSheet.tsx';

/** What made a finding, in words, for those who ask. */
function origin({ mask }: Finding): string {
  const { engine, version, prompt, directed_by } = mask.made_by;
  const said = [`${engine} ${version}`, prompt];
  if (directed_by) said.push(directed_by);
  if (mask.score !== null) said.push(`score ${mask.score.toFixed(2)}`);
  const agreement = mask.confidence?.agreement;
  if (typeof agreement === 'number')
    said.push(`agreement with a second method ${agreement.toFixed(2)}`);
  return said.filter(Boolean).join(' · ');
}

function Swatch({ id, name }: { id: string; name: string }) {
  const { colour, isVisible } = look(id);
  const next = COLOURS[(COLOURS.indexOf(colour as (typeof COLOURS)[number]) + 1) % COLOURS.length]!;
  return (
    <span class="looks">
      <button
        type="button"
        class="swatch"
        aria-label={`Colour of ${name}`}
        title="Another colour"
        onClick={() => setLook(id, { colour: next })}
      >
        <svg viewBox="0 0 14 14" aria-hidden="true">
          <rect
            x="1"
            y="1"
            width="12"
            height="12"
            rx="3"
            fill={colour}
            fill-opacity={isVisible ? 0.35 : 0}
            stroke={colour}
            stroke-width="1.8"
          />
        </svg>
      </button>
      <button
        type="button"
        class="eye"
        aria-label={`${name} is ${isVisible ? 'shown' : 'hidden'}`}
        aria-pressed={isVisible}
        onClick={() => setLook(id, { isVisible: !isVisible })}
      >
        {isVisible ? '●' : '○'}
      </button>
    </span>
  );
}

function Measurements({ shown }: { shown: MeasurementEntry[] }) {
  return (
    <dl class="measures">
      {shown.map((each) => (
        <div key={each.name}>
          <dt>{label(each)}</dt>
          <dd>
            {each.slice === undefined ? (
              quantity(each)
            ) : (
              <button
                type="button"
                class="plain"
                title={`Go to image ${each.slice + 1}`}
                onClick={() => void goTo(each.slice!)}
              >
                {quantity(each)}
              </button>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

async function goTo(slice: number): Promise<void> {
  await gotoIndex([slice, crosshair.value[1], crosshair.value[2]]);
}

/** The tools that correct an outline, and what they changed. */
function Correction({ finding, tools }: { finding: Finding; tools: ComponentChildren }) {
  void painted.value;
  const mask = masks.value.get(finding.key);
  if (!mask || whyNot('decide') || !(tools || mask.isChanged)) return null;
  return (
    <div class="correction">
      {tools}
      {mask.isChanged && (
        <>
          <p class="quiet">Changed: {mask.lastDone}. The numbers above are of the first outline.</p>
          <button type="button" class="primary" onClick={() => void keepCurrent()}>
            Measure anew <kbd>C</kbd>
          </button>
        </>
      )}
    </div>
  );
}

/** What a finding is: its words and codes come from the station's concepts. */
function Name({ finding }: { finding: Finding }) {
  const concepts = station.value?.concepts ?? [];
  const now = finding.mask.concept ?? '';
  const choose = (event: Event): void => {
    const chosen = (event.currentTarget as HTMLSelectElement).value;
    if (chosen && chosen !== now) void rename(finding, chosen);
  };
  return (
    <label class="rename">
      <span class="quiet">This is a</span>
      <select value={now} onChange={choose}>
        {!now && <option value="">lesion, not named</option>}
        {concepts.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A result is decided as a whole: say so where it holds several outlines. */
function together(result: Result, verb: string): string {
  const count = result.masks.length;
  return count > 1 ? `${verb} all ${count}` : verb;
}

function Card({ finding, tools }: { finding: Finding; tools: ComponentChildren }) {
  const { key, mask, result } = finding;
  const card = useRef<HTMLLIElement>(null);
  const isSelected = key === selected.value;
  useEffect(() => {
    if (isSelected && !isFollowed(key)) card.current?.scrollIntoView({ block: 'nearest' });
  }, [isSelected, result.state]);
  const name = title(mask);
  const others = otherMeasures(result, mask);
  const refusal = whyNot('decide');
  const warnings = [...new Set([...mask.warnings, ...(result.warnings ?? [])])];
  return (
    <li
      ref={card}
      class={`finding ${isSelected ? 'is-selected' : ''}`}
      data-testid="finding"
      data-key={key}
      data-state={result.state}
    >
      <div class="head">
        <Swatch id={key} name={name} />
        <button
          type="button"
          class="plain name"
          aria-expanded={isSelected}
          title={origin(finding)}
          onClick={() => void select(key)}
        >
          <span class="quiet">{ordinal(key)}</span> {name}
        </button>
        <span class={`state ${result.state}`}>{STATES[result.state]}</span>
      </div>
      <Measurements shown={mainMeasures(result, mask)} />
      {isSelected && others.length > 0 && (
        <details>
          <summary class="quiet small">{others.length} more values</summary>
          <Measurements shown={others} />
        </details>
      )}
      {mask.is_proposal && (
        <p class="warning">A proposal: check where it is, and its first and last image.</p>
      )}
      {isSelected &&
        warnings.map((each) => (
          <p key={each} class="warning">
            {each}
          </p>
        ))}
      {isSelected &&
        mask.not_measured.map((each) => (
          <p key={each} class="quiet small">
            {each}
          </p>
        ))}
      {isSelected && <p class="quiet small origin">{origin(finding)}</p>}
      {isSelected && result.earlier_stays && <p class="warning">{result.earlier_stays}</p>}
      {isSelected && refusal && ['waiting', 'accepted'].includes(result.state) && (
        <p class="quiet small">{refusal}</p>
      )}
      {isSelected && !refusal && result.state === 'waiting' && <Name finding={finding} />}
      {isSelected && !refusal && result.state === 'waiting' && (
        <div class="decision">
          <button type="button" class="accept" onClick={() => void decide(finding, true)}>
            {together(result, 'Accept')} <kbd>Y</kbd>
          </button>
          <button type="button" class="ghost" onClick={() => void decideCurrent(false)}>
            {together(result, 'Reject')} <kbd>N</kbd>
          </button>
        </div>
      )}
      {isSelected && !refusal && result.state === 'accepted' && (
        <div class="decision">
          <button
            type="button"
            class="primary"
            onClick={() => {
              isSendOpen.value = true;
            }}
          >
            Send… <kbd>G</kbd>
          </button>
          <button type="button" class="ghost" onClick={() => void decideCurrent(false)}>
            Take back <kbd>N</kbd>
          </button>
        </div>
      )}
      {isSelected && <Correction finding={finding} tools={tools} />}
      <Deliveries id={result.id} />
    </li>
  );
}

function Candidates() {
  const result = candidates.value;
  if (!result) return null;
  const shown = hints.value.length === 1 ? hints.value[0] : null;
  return (
    <section class="candidates" aria-label="Places to look at">
      <header>
        <h3>Places to look at</h3>
        <button type="button" class="ghost" onClick={dismissCandidates}>
          Done
        </button>
      </header>
      <p class="quiet small">
        None is a finding. Choose one, then say “segment the nodule” (<kbd>/</kbd>).
      </p>
      <ol>
        {result.candidates!.map((each) => {
          const isShown =
            shown?.kind === 'box' && shown.slice === each.slice && shown.rows[0] === each.box[1];
          return (
            <li key={each.number}>
              <button
                type="button"
                class="plain"
                aria-pressed={isShown}
                onClick={() => void lookAt(each)}
              >
                <span class="quiet">{each.number}</span>
                <span>image {each.slice + 1}</span>
                <span>{each.side ?? ''}</span>
                <span class="number right">{each.diameter_mm.toFixed(0)} mm</span>
              </button>
            </li>
          );
        })}
      </ol>
      {result.warnings?.map((each) => (
        <p key={each} class="quiet small">
          {each}
        </p>
      ))}
    </section>
  );
}

/** The findings of the open study; ``tools`` correct the outline of the selected one. */
export function Findings({ tools = null }: { tools?: ComponentChildren }) {
  const all = findings.value;
  void current.value;
  return (
    <section class="findings">
      <h2 class="unseen">Findings</h2>
      {all.length > 0 && (
        <header>
          <label class="opacity">
            <span class="quiet">Fill</span>
            <input
              type="range"
              min={0}
              max={0.7}
              step={0.02}
              value={fill.value}
              onInput={(event) => {
                fill.value = Number(event.currentTarget.value);
              }}
            />
          </label>
        </header>
      )}
      {!all.length && !candidates.value && !comparison.value && (
        <p class="empty">
          Nothing is outlined yet. Draw a box <kbd>B</kbd> round a lesion, then type a command, such
          as “segment the lung lesion”. <kbd>/</kbd>
        </p>
      )}
      <Candidates />
      <Comparison />
      <ul>
        {all.map((finding) => (
          <Card key={finding.key} finding={finding} tools={tools} />
        ))}
      </ul>
    </section>
  );
}
