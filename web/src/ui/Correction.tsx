import { brushRadius, take, tool } from '../tools.ts';

/** The brush that corrects the outline of the selected finding. */
export function Brushes() {
  const isBrush = tool.value === 'brush' || tool.value === 'eraser';
  return (
    <>
      <button
        type="button"
        class="tool"
        aria-pressed={tool.value === 'brush'}
        onClick={() => take('brush')}
      >
        Brush <kbd>W</kbd>
      </button>
      <button
        type="button"
        class="tool"
        aria-pressed={tool.value === 'eraser'}
        onClick={() => take('eraser')}
      >
        Eraser <kbd>E</kbd>
      </button>
      {isBrush && (
        <label class="radius">
          <span class="quiet">Radius</span>
          <input
            type="range"
            min={1}
            max={20}
            value={brushRadius.value}
            onInput={(event) => {
              brushRadius.value = Number(event.currentTarget.value);
            }}
          />
        </label>
      )}
    </>
  );
}
