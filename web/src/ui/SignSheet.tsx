import { useEffect, useRef } from 'preact/hooks';

import { owner, whyNot } from '../access.ts';
import { select } from '../looking.ts';
import {
  type Field,
  type Obstacle,
  asLine,
  isSignOpen,
  keepWords,
  leaveOut,
  move,
  report,
} from '../report.ts';
import { open, said, say } from '../station.ts';
import { date } from '../words.ts';

const close = (): void => {
  isSignOpen.value = false;
};

/** Something in the way, and how to get past it. */
function InTheWay({ of, each, field }: { of: string; each: Obstacle; field: Field | undefined }) {
  const show = (): void => {
    close();
    void select(field?.result ? `${field.result}/${field.segment}` : `${each.result}/1`);
  };
  return (
    <li>
      {each.says}{' '}
      {each.result && each.kind !== 'running' && (
        <button type="button" class="plain" onClick={show}>
          Show
        </button>
      )}{' '}
      {each.kind === 'unseen' && each.field && (
        <button type="button" class="plain" onClick={() => void keepWords(of, each.field!)}>
          Looked at: keep these words
        </button>
      )}
      {each.kind === 'numbers' && each.field && (
        <button type="button" class="plain" onClick={() => void leaveOut(of, each.field!)}>
          Leave the measured numbers out
        </button>
      )}
    </li>
  );
}

/** Whose report it is, before anybody signs it. */
function Whose() {
  const info = open.value?.drawn.info;
  if (!info) return null;
  const { patient, study } = info;
  return (
    <p>
      <strong>{patient.name || 'No name'}</strong>{' '}
      <span class="quiet">
        {[patient.id, study.description, date(study.date)].filter(Boolean).join(' · ')}
      </span>
    </p>
  );
}

/** What is signed, word for word, by whom, and what is in the way. */
export function SignSheet() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const shown = report.value;
  if (!shown) return null;
  const { study_instance_uid: of, obstacles, digest } = shown;
  const refusal =
    whyNot('sign') ??
    (owner.value?.is_local ? 'A signature needs a name: log in with an account to sign.' : null);
  const canSign = !refusal && obstacles.length === 0;
  const fields = shown.sections.flatMap((each) => each.fields);
  const sign = async (): Promise<void> => {
    if (!canSign || !(await move(of, 'sign', { digest }))) return;
    close();
    say('Signed.');
  };
  return (
    <dialog
      ref={dialog}
      class="sheet sign"
      aria-labelledby="sign-title"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClose={close}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void sign();
        }}
      >
        <h2 id="sign-title">
          {shown.version === 1 ? 'Sign the report' : `Sign version ${shown.version} of the report`}
        </h2>
        <Whose />
        {obstacles.length > 0 && (
          <section aria-label="In the way">
            <p class="warning">It cannot be signed yet:</p>
            <ul class="obstacles">
              {obstacles.map((each) => (
                <InTheWay
                  key={`${each.kind}/${each.field}/${each.result}`}
                  of={of}
                  each={each}
                  field={fields.find(({ id }) => id === each.field)}
                />
              ))}
            </ul>
          </section>
        )}
        {shown.still_verified.length > 0 && (
          <p class="warning">
            Left out of this version, but still standing as verified in the archive: SR{' '}
            {shown.still_verified.join(', ')}. Have it withdrawn there.
          </p>
        )}
        <section class="words" aria-label="What is signed" tabIndex={0}>
          {shown.sections
            .filter((each) => each.fields.some(({ text }) => text))
            .map((each) => (
              <section key={each.name}>
                <h3>{each.title}</h3>
                {each.fields
                  .filter(({ text }) => text)
                  .map((field) => (
                    <p key={field.id}>{asLine(field)}</p>
                  ))}
              </section>
            ))}
        </section>
        <p class="quiet">
          Once signed, it stands as it is. Where its measurements were sent, they go again as
          verified.
        </p>
        {refusal && <p class="quiet">{refusal}</p>}
        {said.value?.isError && <p role="alert">{said.value.says}</p>}
        <footer>
          <button type="button" class="ghost" onClick={close}>
            Not now <kbd>Esc</kbd>
          </button>
          <button type="submit" class="primary" disabled={!canSign}>
            Sign as {owner.value?.name}
          </button>
        </footer>
      </form>
    </dialog>
  );
}
