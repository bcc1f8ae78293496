"""What every emulated service needs of HTTP: responses, errors, and the checking of bodies."""
