"""MedSAM-3: SAM 3 with a medical adapter; needs the extra ``[medsam3]``."""
