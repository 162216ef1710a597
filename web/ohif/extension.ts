import { h, render } from 'preact';
function hosted() {
  return {
    $$typeof: Symbol.for('react.element'),
    type: 'div',
    key: null,
    ref: (node: HTMLElement | null) => {
      if (node) {
        const root = node.shadowRoot ?? node.attachShadow({ mode: 'open' });
        render(h('p', { style: 'color:white' }, 'hello from us'), root);
      }
    },
    props: { 'data-cy': 'radcopilot', style: { height: '100%' } },
    _owner: null,
  };
}
export default {
  id: 'radcopilot',
  getPanelModule: () => [
    {
      name: 'copilot',
      iconName: 'tab-patient-info',
      iconLabel: 'Copilot',
      label: 'radcopilot',
      component: hosted,
    },
  ],
};
