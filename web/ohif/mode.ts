// OHIF's own basic viewer, with our panel at its right.

const PANEL = 'radcopilot.panelModule.copilot';
const OHIFS = '@ohif/mode-basic';

interface Mode {
  modeInstance: ModeInstance;
  [more: string]: unknown;
}

interface ModeInstance {
  routes: { layoutInstance: { props: Record<string, unknown> } }[];
  [more: string]: unknown;
}

interface Given {
  loadModules: (names: string[]) => Promise<Mode[]>;
}

async function modeFactory({ loadModules }: Given): Promise<ModeInstance> {
  const [basic] = await loadModules([OHIFS]);
  const { modeInstance } = basic!;
  const [route] = modeInstance.routes;
  const { layoutInstance } = route!;
  const props = layoutInstance.props;
  return {
    ...modeInstance,
    id: 'radcopilot',
    routeName: 'copilot',
    displayName: 'radcopilot',
    hide: false,
    routes: [
      {
        ...route,
        layoutInstance: {
          ...layoutInstance,
          props: {
            ...props,
            rightPanels: [PANEL, ...(props['rightPanels'] as string[])],
            rightPanelClosed: false,
          },
        },
      },
    ],
  };
}

export default { id: 'radcopilot', modeFactory };
