"""The decision as a pure function of scores, signals and policy: values in, values out."""
