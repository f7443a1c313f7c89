"""Everything that can be found wrong with a data set before it costs a run."""

from striate.data.doctor.diagnosis import Diagnosis, Problem
from striate.data.doctor.examine import doctor

__all__ = ["Diagnosis", "Problem", "doctor"]
