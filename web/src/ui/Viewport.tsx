import { effect, useComputed } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { follow, shownViews, step, unit } from '../acts.ts';
import { hot } from '../blending.ts';
import { keyOfUid, onPrior } from '../comparing.ts';
import { arrived, fusion, opacity, over, top, uptakeAt } from '../fusion.ts';
import { roundLength } from '../geometry.ts';
import { glimpsedOn } from '../glimpses.ts';
import { hidesAll, look } from '../looks.ts';
import { Overlay } from '../overlay.ts';
import {
  active,
  calipers,
  crosshair,
  earlier,
  here,
  hints,
  masks,
  open,
  painted,
  selected,
} from '../station.ts';
import { gotoIndex } from '../looking.ts';
import { brushRadius, cursor, drag, press, release, sketch, tool } from '../tools.ts';
import type { View } from '../view.ts';
import { date, unitWords } from '../words.ts';

const WHEEL_STEP = 40;
const LONGEST_BAR_PX = 140;

/** Draw the overlay again whenever anything that it shows has changed. */
function useOverlay(canvas: { current: HTMLCanvasElement | null }, view: View): void {
  useEffect(() => {
    const overlay = new Overlay(canvas.current!, view);
    const isPrior = (): boolean => view === open.value?.prior?.view;
    return effect(() => {
      void view.moved.value;
      void view.slice.value;
      void painted.value;
      if (!view.isShown.value) return;
      const now = cursor.value?.view === view ? cursor.value : null;
      const isBrush = tool.value === 'brush' || tool.value === 'eraser';
      const marked = hidesAll.value
        ? []
        : (isPrior() ? earlier : here).value.flatMap(({ key }) => {
            const mask = masks.value.get(key);
            return mask ? [{ mask, look: look(key), isSelected: key === selected.value }] : [];
          });
      if (isPrior() && !hidesAll.value) {
        marked.push(
          ...onPrior.value.map(({ mask, tracking_uid }) => {
            const key = keyOfUid(tracking_uid) ?? tracking_uid;
            return { mask, look: look(key), isSelected: key === selected.value };
          }),
        );
      }
      const series = view.drawn.info.series_instance_uid;
      const glimpsed = hidesAll.value ? [] : glimpsedOn(series);
      canvas.current!.dataset['glimpses'] = String(glimpsed.length);
      void arrived.value;
      const values = over(view);
      canvas.current!.dataset['over'] = String(values !== null);
      overlay.draw({
        over: values && { values, top: top.value, opacity: opacity.value },
        marked,
        glimpsed,
        hints: isPrior() ? [] : hints.value,
        calipers: calipers.value.filter((each) => each.series === series),
        sketch: sketch.value?.view === view ? sketch.value : null,
        cursor: tool.value !== 'look' && now ? now.place : null,
        brush: isBrush ? brushRadius.value : null,
        crosshair: (open.value?.views.length ?? 1) > 1 && !isPrior() ? crosshair.value : null,
      });
    });
  }, [view]);
}

type Drag = { button: number; x: number; y: number; window: [number, number] };

/** Mouse and pen: a tool draws; without one a drag sets window, zoom or place, the wheel the image. */
function usePointer(frame: { current: HTMLDivElement | null }, view: View, number: number): void {
  useEffect(() => {
    const element = frame.current!;
    let held: Drag | null = null;
    let rolled = 0;
    const placeOf = (event: MouseEvent) => {
      const box = element.getBoundingClientRect();
      return view.pixelAt(event.clientX - box.left, event.clientY - box.top);
    };
    const down = (event: PointerEvent): void => {
      active.value = number;
      element.setPointerCapture(event.pointerId);
      const place = placeOf(event);
      if (event.button === 0 && tool.value !== 'look' && place) return press(view, place);
      if (event.button === 0 && view.isOneOf(open.value?.views) && place && !event.shiftKey) {
        void gotoIndex(view.indexAt(...place).map(Math.round) as [number, number, number]);
      }
      held = {
        button: event.shiftKey ? 1 : event.button,
        x: event.clientX,
        y: event.clientY,
        window: view.window.value,
      };
    };
    const move = (event: PointerEvent): void => {
      const place = placeOf(event);
      if (place) cursor.value = { view, place, byKeys: false };
      if (!held) {
        if (place) drag(view, place);
        return;
      }
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (held.button === 0) {
        const [centre, width] = held.window;
        const rate = Math.max(width, 1) / 300;
        for (const each of shownViews())
          each.setWindow(centre + dy * rate, width + dx * rate * 1.5);
        return;
      }
      if (held.button === 1) view.pan(dx, dy);
      else view.zoom(Math.exp(-dy / 200));
      held = { ...held, x: event.clientX, y: event.clientY };
    };
    const up = (event: PointerEvent): void => {
      const place = placeOf(event);
      if (!held && place) release(view, place);
      held = null;
    };
    const leave = (): void => {
      if (cursor.value?.view === view && !cursor.value.byKeys) cursor.value = null;
    };
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      active.value = number;
      if (event.ctrlKey) return view.zoom(Math.exp(-event.deltaY / 300));
      rolled += event.deltaY;
      const by = Math.trunc(rolled / WHEEL_STEP);
      rolled -= by * WHEEL_STEP;
      if (by) void step(by);
    };
    const menu = (event: Event): void => event.preventDefault();
    const listeners: [string, EventListener][] = [
      ['pointerdown', down as EventListener],
      ['pointermove', move as EventListener],
      ['pointerup', up as EventListener],
      ['pointercancel', up as EventListener],
      ['pointerleave', leave],
      ['contextmenu', menu],
    ];
    for (const [kind, listener] of listeners) element.addEventListener(kind, listener);
    element.addEventListener('wheel', wheel, { passive: false });
    return () => {
      for (const [kind, listener] of listeners) element.removeEventListener(kind, listener);
      element.removeEventListener('wheel', wheel);
    };
  }, [view, number]);
}

function Readout({ view }: { view: View }) {
  const words = useComputed(() => {
    const at = cursor.value;
    void painted.value;
    if (!at || at.view !== view) return null;
    const [row, column] = at.place.map((each) => Math.floor(each + 0.5)) as [number, number];
    const [rows, columns] = view.size;
    if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
    const index = view.indexAt(row, column);
    const value = view.drawn.pixels.value(index);
    if (!value) return null;
    const shown =
      value.length > 1 ? `RGB ${value.join(' ')}` : `${+value[0]!.toFixed(2)} ${unit()}`.trim();
    const above = uptakeAt(view, index);
    return {
      shown: above ? `${shown} · ${above}` : shown,
      where: `row ${index[1]} · column ${index[2]} · image ${index[0] + 1}`,
    };
  });
  if (!words.value) return null;
  return (
    <p class="readout" data-testid="readout">
      <strong>{words.value.shown}</strong> <span>{words.value.where}</span>
    </p>
  );
}

function Scale({ view }: { view: View }) {
  void view.moved.value;
  const perMm = view.pixelsPerMm;
  if (!perMm) return <p class="scale none">no scale: pixel spacing is not known</p>;
  const long = roundLength(LONGEST_BAR_PX / perMm);
  return (
    <div class="scale" data-testid="scale">
      <svg width={long * perMm} height="6" aria-hidden="true">
        <path d={`M.5 0v5.5h${long * perMm - 1}V0`} />
      </svg>
      {long >= 10 ? `${long / 10} cm` : `${long} mm`}
    </div>
  );
}

function Marks({ view }: { view: View }) {
  const marks = view.marks;
  if (!marks) return null;
  return (
    <>
      {(['left', 'right', 'top', 'bottom'] as const).map((side) => (
        <span key={side} class={`mark ${side}`} data-testid={`mark-${side}`}>
          {marks[side]}
        </span>
      ))}
    </>
  );
}

/** What lies over the images, in which colours, and how much of it is seen. */
function Uptake() {
  const { info } = fusion.value!.above;
  const colours = Array.from({ length: 9 }, (_, n) => `rgb(${hot(n / 8).join(' ')})`).join(', ');
  return (
    <div class="uptake" data-testid="uptake">
      <span>{info.description || info.modality} over these images</span>
      <span class="bar" style={{ background: `linear-gradient(to right, ${colours})` }} />
      <span data-testid="uptake-range">
        0 to {top.value} {unitWords(info.unit)} <kbd>{'{'}</kbd> <kbd>{'}'}</kbd>
      </span>
      <input
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={opacity.value}
        aria-label="How much of it is seen"
        tabIndex={-1}
        onInput={(event) => {
          opacity.value = Number(event.currentTarget.value);
        }}
      />
    </div>
  );
}

export function Viewport({ view, number }: { view: View; number: number }) {
  const frame = useRef<HTMLDivElement>(null);
  const image = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useOverlay(canvas, view);
  usePointer(frame, view, number);
  useEffect(() => {
    void view.mount(image.current!).then(() => follow(view));
    const watch = new ResizeObserver(() => view.resize());
    watch.observe(image.current!);
    return () => {
      watch.disconnect();
      view.unmount();
    };
  }, [view]);
  const [centre, width] = view.window.value;
  const prior = open.value?.prior;
  const isPrior = view === prior?.view;
  const isActive = active.value === number && shownViews().length > 1;
  return (
    <div
      ref={frame}
      class={`viewport tool-${tool.value} ${isActive ? 'is-active' : ''}`}
      role="application"
      aria-label={`${view.title}: image ${view.slice.value + 1} of ${view.count}`}
      tabIndex={0}
      data-testid={`viewport-${number}`}
      data-slice={view.slice.value}
      data-shown={view.isShown.value}
      onFocus={() => {
        active.value = number;
      }}
    >
      <div ref={image} class="image" />
      <canvas ref={canvas} class="overlay" />
      <p class="corner top-left">
        {isPrior && <strong class="prior">Prior {date(prior.study.study_date)}</strong>}
        <strong>{view.title}</strong>
        <span data-testid="position">
          {view.drawn.info.is_time ? 'Frame' : 'Image'} {view.slice.value + 1} / {view.count}
        </span>
      </p>
      <p class="corner top-right">
        <span data-testid="window">
          C {+centre.toPrecision(4)} &nbsp;W {+width.toPrecision(4)}
        </span>
      </p>
      <Marks view={view} />
      <Scale view={view} />
      <Readout view={view} />
      {view.drawn === fusion.value?.below && number === 0 && <Uptake />}
      <input
        class="slider"
        type="range"
        min={0}
        max={view.count - 1}
        value={view.slice.value}
        aria-label="Image"
        tabIndex={-1}
        onInput={(event) =>
          void view.goto(Number(event.currentTarget.value)).then(() => follow(view))
        }
      />
    </div>
  );
}
