"""The entries that help texts list; they name the implementations, which are imported only when they are used."""

from drkit.catalogue import AttentionBlock, EnsembleMethod, Entry, Filter, Parameter

MEDIAN = Filter(
    "the median of each pixel's neighbours, which removes dust and hot pixels and keeps edges",
    "fundus_lab.median:median",
    "Huang, Yang and Tang, IEEE Transactions on Acoustics, Speech, and Signal Processing 27, 1979",
    parameters={"radius": Parameter(1, 1, 50, "radius of the neighbourhood in pixels", is_whole=True)},
)
FOCAL = Entry(
    "cross-entropy in which photographs that are already graded well count less",
    "fundus_lab.focal:Focal",
    parameters={"gamma": Parameter(2, 0, 10, "how much less they count; 0: plain cross-entropy")},
)
CONTEXT = AttentionBlock(
    "a weighted mean over all positions, added to each",
    "fundus_lab.context:build_context",
    "Cao et al., GCNet, ICCV Workshops 2019",
    compares_positions=False,
    parameters={"reduction": Parameter(8, 1, 256, "channels / hidden channels", is_whole=True)},
)
TRIMMED = EnsembleMethod(
    "the mean without the members that grade a photograph highest and lowest",
    "fundus_lab.trimmed:TrimmedMean",
    restore="fundus_lab.trimmed:TrimmedMean.from_json",
    parameters={"share": Parameter(0.2, 0, 0.49, "share of the members left out at each end")},
)
