import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A sheet over the page that is read and closed again. */
export function Sheet({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current?.showModal(), []);
  // the browser tells of its own closing late: a key may have opened the sheet again by then
  const close = (event: Event): void => {
    event.preventDefault();
    onClose();
  };
  return (
    <dialog
      ref={dialog}
      class="sheet help"
      aria-labelledby={heading}
      onCancel={close}
      onClose={onClose}
    >
      <h2 id={heading}>{title}</h2>
      {children}
      <form method="dialog" onSubmit={close}>
        <button type="submit" class="primary">
          Close
        </button>
      </form>
    </dialog>
  );
}
