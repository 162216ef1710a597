import { useState } from 'preact/hooks';

import { whyNot } from '../access.ts';
import {
  type Change,
  type Report,
  type Version,
  changesSince,
  isFinal,
  isSignOpen,
  move,
} from '../report.ts';

const when = (at: string): string => new Date(at).toLocaleString();

/** How far the report is, and the next step. */
export function Standing({ shown }: { shown: Report }) {
  const { study_instance_uid: of, status, version, versions } = shown;
  const signed = versions.at(-1);
  const review = async (): Promise<void> => {
    if (await move(of, 'review')) isSignOpen.value = true;
  };
  return (
    <div class="standing" data-testid="standing" data-status={status}>
      {isFinal(status) && signed ? (
        <p class="signed">
          {status === 'amended' ? `Amended, version ${version}. ` : ''}Signed by {signed.signer},{' '}
          {when(signed.at)}.
        </p>
      ) : (
        <p class="draft">
          {status === 'draft' ? 'Draft' : 'In review'}
          {version > 1 ? ` of version ${version} (${shown.reason})` : ''}. Not signed, not verified.
        </p>
      )}
      {shown.changed && (
        <p class="warning">
          What it tells of has changed since it was signed. It stands as it was signed; amend it to
          take the change in.
        </p>
      )}
      {!whyNot('decide') &&
        (isFinal(status) ? (
          <Amend of={of} />
        ) : (
          <p class="row">
            <button type="button" class="primary" onClick={() => void review()}>
              Review and sign…
            </button>
            {status === 'in_review' && (
              <button type="button" class="ghost" onClick={() => void move(of, 'revise')}>
                Back to a draft
              </button>
            )}
          </p>
        ))}
    </div>
  );
}

function Amend({ of }: { of: string }) {
  const [reason, setReason] = useState<string | null>(null);
  if (reason === null) {
    return (
      <button type="button" class="ghost" onClick={() => setReason('')}>
        Amend…
      </button>
    );
  }
  const begin = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await move(of, 'amend', { reason })) setReason(null);
  };
  return (
    <form class="row" onSubmit={(event) => void begin(event)}>
      <input
        value={reason}
        aria-label="Why it is amended"
        placeholder="Why it is amended"
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <button type="submit" class="primary" disabled={!reason.trim()}>
        Begin the amendment
      </button>
      <button type="button" class="ghost" onClick={() => setReason(null)}>
        Not now
      </button>
    </form>
  );
}

/** Every version that was signed, and what changed after it. */
export function Versions({ shown }: { shown: Report }) {
  if (!shown.versions.length) return null;
  return (
    <section class="versions" aria-label="Signed versions">
      <h3>Signed versions</h3>
      <ul>
        {shown.versions.map((each) => (
          <One key={each.version} of={shown.study_instance_uid} version={each} />
        ))}
      </ul>
    </section>
  );
}

function One({ of, version }: { of: string; version: Version }) {
  const [changes, setChanges] = useState<Change[] | null>(null);
  const look = async (): Promise<void> => {
    setChanges(changes ? null : await changesSince(of, version));
  };
  return (
    <li>
      Version {version.version}, {version.signer}, {when(version.at)}
      {version.reason && <span class="quiet"> ({version.reason})</span>}{' '}
      <button
        type="button"
        class="plain"
        aria-expanded={changes !== null}
        onClick={() => void look()}
      >
        What changed after it
      </button>
      {changes?.length === 0 && <p class="quiet">Nothing.</p>}
      {changes?.map((each) => (
        <p key={each.field} class="change">
          <span class="quiet">{each.field.split('/')[0]}:</span> <Marked of={each.marked} />
        </p>
      ))}
    </li>
  );
}

/** Words that stayed, went and came; told by more than colour. */
function Marked({ of }: { of: string }) {
  return of.split('\n').map((line, n) => {
    const word = `${line.slice(1)} `;
    if (line.startsWith('-')) return <del key={n}>{word}</del>;
    if (line.startsWith('+')) return <ins key={n}>{word}</ins>;
    return word;
  });
}
