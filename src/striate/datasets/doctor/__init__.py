"""Everything that can be found wrong with a data set before it costs a run."""

from striate.datasets.doctor.diagnosis import Diagnosis, Problem
from striate.datasets.doctor.examine import doctor

__all__ = ["Diagnosis", "Problem", "doctor"]
