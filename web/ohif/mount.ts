// Our components inside OHIF: in a shadow root, so that neither's styles reach the other, under an
// element that OHIF's own React makes.

import { type ComponentType, h, render } from 'preact';

import page from '../src/style.css?inline';
import own from './panel.css?inline';

const sheet = new CSSStyleSheet();
sheet.replaceSync(`${page.replaceAll(':root', ':host')}\n${own}`);

/** Draw a component into an element, or take it away again. */
function draw(component: ComponentType, into: HTMLElement): void {
  const root = into.shadowRoot ?? into.attachShadow({ mode: 'open' });
  root.adoptedStyleSheets = [sheet];
  render(h(component, {}), root);
}

/** Draw a component over everything, for as long as the page lives. */
export function drawOver(component: ComponentType): void {
  const host = document.createElement('div');
  document.body.append(host);
  draw(component, host);
}

/**
 * Return a component of OHIF's React that holds one of ours.
 *
 * A module that is loaded by address is not given OHIF's React. An element of React is a plain value,
 * and its mark is taken from one that OHIF has made.
 */
export function held(component: ComponentType, mark: () => symbol): () => object {
  let shown: HTMLElement | null = null;
  const ref = (element: HTMLElement | null): void => {
    if (shown?.shadowRoot) render(null, shown.shadowRoot);
    shown = element;
    if (element) draw(component, element);
  };
  const props = { ref, style: { height: '100%' } };
  return () => ({ $$typeof: mark(), type: 'div', key: null, ref, props, _owner: null });
}
