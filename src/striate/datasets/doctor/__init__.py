"""Everything that can be found wrong with a data set before it costs a run."""

from striate.datasets.doctor.diagnosis import DataProblem, Diagnosis
from striate.datasets.doctor.examine import doctor

__all__ = ["DataProblem", "Diagnosis", "doctor"]
