// How OHIF begins: our panel's extension and mode, and this server's DICOMweb. A site that runs its
// own OHIF copies this and writes the server's address before each path.
window.config = {
  routerBasename: '/ohif',
  extensions: ['/ohif/copilot/extension.js'],
  modes: ['/ohif/copilot/mode.js'],
  customizationService: {},
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  disableConfirmationPrompts: true,
  investigationalUseDialog: { option: 'never' },
  maxNumRequests: { interaction: 20, thumbnail: 5, prefetch: 10 },
  defaultDataSourceName: 'radcopilot',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'radcopilot',
      configuration: {
        friendlyName: 'radcopilot',
        name: 'radcopilot',
        wadoUriRoot: '/dicom-web',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        supportsReject: false,
        supportsStow: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'thumbnailDirect',
        enableStudyLazyLoad: true,
        dicomUploadEnabled: false,
        omitQuotationForMultipartRequest: true,
        singlepart: 'pdf,video',
        bulkDataURI: { enabled: true, relativeResolution: 'studies' },
        // the server decodes: what is seen is what the engines measure, and the browser needs no codec
        acceptHeader: [
          'multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1',
        ],
      },
    },
  ],
};
