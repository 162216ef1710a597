"""DICOMweb (PS3.18) over the store: values and bytes, no web framework."""
