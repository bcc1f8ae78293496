"""HTTP for every emulated service: responses, errors, and the checking of bodies."""
