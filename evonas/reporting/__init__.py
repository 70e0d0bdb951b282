"""What is drawn: curves and plots. Imports no plotting library before one is asked for (`evonas[plot]`)."""
