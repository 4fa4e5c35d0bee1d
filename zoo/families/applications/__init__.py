"""The models of keras.applications, flattened and prepared for as the rest of the zoo is."""
