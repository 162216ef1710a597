// How findings look: colours that people with any colour vision tell apart (Okabe and Ito, 2008,
// lightened for black), and what is shown of each.

import { signal } from '@preact/signals';

export const COLOURS = [
  '#56c8f0',
  '#f2a93b',
  '#2fc39a',
  '#f0e04a',
  '#f07a48',
  '#d98fc0',
  '#8fa8ff',
] as const;

export interface Look {
  colour: string;
  isVisible: boolean;
}

export const fill = signal(0.22);
export const hidesAll = signal(false);
const chosen = signal<ReadonlyMap<string, Partial<Look>>>(new Map());
const order = new Map<string, number>();

export function look(key: string): Look {
  if (!order.has(key)) order.set(key, order.size);
  const colour = COLOURS[order.get(key)! % COLOURS.length]!;
  return { colour, isVisible: true, ...chosen.value.get(key) };
}

export function setLook(key: string, change: Partial<Look>): void {
  chosen.value = new Map(chosen.value).set(key, { ...chosen.value.get(key), ...change });
}
