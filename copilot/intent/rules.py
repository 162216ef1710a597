"""The sentences, as data: what may be said for each intent.

A rule is an intent and the patterns that mean it (their language: ``copilot.intent.patterns``).
Rules are tried in order; of one rule the first pattern that takes the whole sentence wins. A
pattern or phrase that begins with ``~`` is understood but too rare to be proposed as what an unclear recording
may have said.
"""

from typing import Final

NAMED: Final[dict[str, str]] = {
    "make": (
        "segment|highlight|outline|contour|delineate|mark|draw|trace|annotate|circle|"
        "isolate|extract|mask|auto segment|mark up|draw around|make a (segmentation|mask) of|"
        "create a (segmentation|mask) (of|for)|generate a (segmentation|mask) (of|for)|"
        "do a segmentation of|draw [a|the] (contour|outline) (around|of)|"
        "[start|run] [a|the] segmentation (of|for)|detect|resegment|paint"
    ),
    "measuring": (
        "measure|calculate|compute|determine|estimate|quantify|assess|evaluate|give me|tell me|get|"
        "get me|show me|report|what is|what are|take|obtain|provide|i need|find|work out|"
        "what was|what would be|check|do|display|show"
    ),
    "size": "measure|size|quantify|assess the size of|take a measurement of|"
    "take the measurements of|take measurements of",
    "how_big": "how (big|large) (is|are)|how (big|large) would you say is|"
    "what [is] size (is|are|of)|what are the (dimensions|measurements) of|"
    "what is the size of|give me the size of|tell me the size of|tell me how (big|large) is",
    "it": "it|them|that|this|these|those|the result|the segmentation",
    "its": "its|their|the|it is|his|her",
    "selection": (
        "(this|that|it|here|these|those|this one|that one|this thing|this finding|this area|"
        "this region|this spot|this structure|that area|that region|that finding|the selection|"
        "the selected (area|region|finding|one|object|structure)|my selection|the current "
        "(selection|finding|one)|the marked (area|region)|the box|this box|the region in the box|"
        "what i (selected|marked|clicked|boxed)|what i have (selected|marked|clicked)|"
        "this selection|the finding|the area|the region of interest|this region of interest)"
    ),
    "finding_noun": "lesion|lesions|finding|findings|nodule|mass|tumor|result|candidate|one|"
    "segmentation|mask|object|structure|measurement|metastasis|annotation|contour",
    "show": (
        "(show|display|find|locate|bring up|pull up|go to|take me to|jump to|navigate to|move to|"
        "scroll to|center on|focus on|point to|point out|bring me to|get me to|zoom to) [me]|"
        "where (is|are)|let us see|let me see|i would like to see|i want to see|can i see|see"
    ),
    "goto": "[(go|jump|scroll|move|navigate|take me|bring me|switch|skip|turn|advance) [over] to|"
    "show|show me|display|open|goto|give me|bring up]",
    "slice": "[the] (slice|image|frame|section|cut|slice number|image number|frame number)",
    "body_part": "chest|abdomen|abdominal|thoracic|brain|head|pelvic|pelvis|thorax|neck|spine|"
    "liver|cardiac|whole body",
    "modality": "ct|mr|mri|x-ray|x ray|pet|pet ct|radiograph|cat scan|ultrasound",
    "study_noun": "study|exam|examination|scan|scans|imaging|images|series|one|studies|report|"
    "investigation|acquisition|mri|ct",
    "before": "prior|previous|last|old|older|earlier|preceding|baseline|most recent prior|"
    "last prior|former|most recent",
    "when": "[from|of|in|on] (last (year|month|week|time|summer|winter|spring|autumn|fall)|"
    "yesterday|{number}|(one|two|three|four|five|six|a few) (years|months|weeks|days) ago|"
    "a (year|month|week) ago|january|february|march|april|may|june|july|august|september|october|"
    "november|december|before surgery|before treatment|before)",
    "to_archive": "(to|in|into|on) [the] [hospital] (pacs|archive|server|vna|archive server|"
    "pacs archive|pacs system|packs)",
    "masks": "segmentation|segmentations|mask|masks|contours|contour|seg|segs|"
    "segmentation (object|result|results)|dicom seg",
    "reports": "report|draft|draft report|structured report|sr|reports|findings report",
    "send": "(push|send|export|transfer|upload|store|save|publish|archive|submit|commit|transmit|"
    "deliver|forward|release) [out|off|over]",
    "act": "segmentation|step|action|change|command|measurement|edit|operation|thing|one|"
    "contour|mask|annotation|move",
    "section": "{section}",
}

NAMED["study"] = (
    "[the|a|her|his|this|my|patient] [patient|patients] (<before> [<body_part>] [<modality>] "
    "[<study_noun>] [<when>]|priors|(<study_noun>|<modality>) from (before|last <study_noun>)|"
    "[<body_part>] <modality> [<study_noun>] (of|from) [the] (<before> [<study_noun>]|"
    "last (year|month|week)|{number})|[<body_part>] <study_noun> from "
    "(last (year|month|week)|{number})|<body_part> <study_noun> of the <before> <study_noun>)"
)
NAMED["measures"] = (
    "[<its>] {measure} [and [<its>] {measure}] [and [<its>] {measure}] [too|as well|also]"
)
NAMED["and_measure"] = (
    "[and|and then|then] ((<measuring> [me]) <measures>|(measure|size|quantify) <it>|"
    "(measure|size|quantify) <it> for me|<measuring> <measures> (of|for) <it>|"
    "(tell|show|give) me how (big|large) (it|that|this|they) (is|are)|"
    "(say|report|find out|see) how (big|large) (it|that|this|they) (is|are)|"
    "how (big|large) (is|are) <it>|give me (a|the) (measurement|measurements|size)|"
    "(measure|calculate|report|give me|tell me|give|state) <measures>)"
)

RARE: Final = "~"

RULES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("undo", (
        "undo [that|it|this|[the] last <act>|the <act>|last <act>|my last <act>|the previous <act>]",
        "take (that|it) back|scratch (that|it)|revert [that|it|the last <act>]",
        "step back|go back one step|reverse (that|the last <act>)",
    )),
    ("redo", (
        "redo [that|it|this|the last <act>|the <act>|last <act>|the undone <act>]",
        "do (it|that) again|bring (it|that) back|restore (it|that|the last <act>)|repeat that",
    )),
    ("cancel", (
        "cancel [that|it|this|everything|the <act>|the current <act>|the command|the job|the task]",
        "stop [that|it|this|everything|the <act>|right there]|abort [that|it|this|the <act>]",
        "never mind|nevermind|forget (it|that)|halt|quit|leave it|dismiss",
    )),
    ("help", (
        "help [me]|what can (i|we) (say|do|ask|tell you)|what can you do|what do i say",
        "what (are|is) (my|the) (options|commands|command)|(show|list) [me] [the|all] "
        "[available|possible|voice] commands|which commands (are there|can i use|do you know)",
        "what commands (are there|can i use|do you know|do you understand)|how does this work",
        "show [me] [the] help|i need help|what may i say|what do you understand",
    )),
    ("accept", (
        "accept [that|it|this|the <finding_noun>|this <finding_noun>|that <finding_noun>]",
        "(confirm|approve) [that|it|this|the <finding_noun>|this <finding_noun>]|keep (it|that|"
        "this|the <finding_noun>|this <finding_noun>)|(looks|look|that looks|this looks|it looks) "
        "(good|right|fine|correct|great|ok|okay)",
        "(that|this|it) is (right|correct|good|fine|ok|okay)|i (accept|agree|approve) "
        "[that|it|this]|yes|correct|okay|ok|good|agreed|that is it|perfect",
        "yes (accept|keep|confirm) [that|it|this]|accept as is|good (job|one)",
    )),
    ("reject", (
        "reject [that|it|this|the <finding_noun>|this <finding_noun>|that <finding_noun>]",
        "(discard|decline|dismiss|refuse) (that|it|this|the <finding_noun>|this <finding_noun>)|"
        "discard|decline|(that|this|it) is (wrong|incorrect|not right|not correct|bad)|no|wrong",
        "no (reject|discard) [that|it|this]|not (this|that) one|throw (it|that) away|"
        "i reject [that|it|this]|incorrect|do not accept [that|it|this]",
    )),
    ("delete", (
        "(delete|remove|erase|clear|get rid of) [the] {ordinal} (<finding_noun>)",
        "(delete|remove|erase|clear) [the] (<finding_noun>) [number] {number}",
        "(delete|remove|erase) number {number}",
        "(delete|remove|erase|clear) (this|that|it|this <finding_noun>|that <finding_noun>|"
        "the <finding_noun>|the (selected|current) <finding_noun>|this one|the selection)",
        "delete",
    )),
    ("next", (
        "[show|show me|go to|take me to|jump to|move to|move on to|bring up|on to] [the] next "
        "[<finding_noun>]",
        "[the] next <finding_noun> please|move on|next finding please|go on to the next "
        "[<finding_noun>]|go forward|forward",
    )),
    ("previous", (
        "[show|show me|go to|go back to|take me to|take me back to|jump to|jump back to|move to|"
        "bring up|back to|return to] [the] (previous|preceding) [<finding_noun>]",
        "go back|back|previous|[go] back [to] (one|the last) <finding_noun>|"
        "the <finding_noun> before|go to the <finding_noun> before|last <finding_noun>|back one",
    )),
    ("goto", (
        "<goto> <slice> [number] {number}",
        "<goto> [the] {ordinal} (slice|image|frame)",
        "(go|jump|scroll|move) to [number] {number}",
    )),
    ("goto_either", (
        "~<goto> <slice> [number] {number} or [<slice>] {number}",
    )),
    ("window", (
        "[the|a|in|in a|go to|use|use the|use a|set|set the|set a|apply|apply the|apply a|switch to|"
        "switch to the|switch to a|change to|change to the|show|show me|show the|show it in|"
        "show me the|put it in|put on|put on the|give me|give me a|give me the|i want|i want a|"
        "change the window to|set the window to|view in|view it in|display in|select|select the|"
        "turn on the|load the|standard|window] {preset} (window|windows|windowing|setting|settings|"
        "view|preset|windowing preset|window preset|window setting|window settings|window level)",
        "(set|change|switch|adjust|put|turn|move) [the|this] (window|windowing|preset|window level|"
        "windows|view|window setting|window preset) (to|for|on|at) [the|a] {preset}",
        "(window|windowing|preset) [to|for|at|on] [the] {preset}",
        "window [it|this|the image|the images] (for|to|at|on) [the] {preset}",
        "(use|apply|show me) [the] {preset} (levels|contrast)",
    )),
    ("window_auto", (
        "reset [the] (window|windowing|window level|contrast|view)|[set] [the] window back to "
        "(default|normal|auto)|auto window|automatic window|window auto|default window",
        "(original|normal|standard) window",
    )),
    ("compare", (
        "compare [it|this|that|these|them|the findings|the lesions|the lesion|this lesion|"
        "the measurements|the study|this study|the scans|the current study|the current one|"
        "current] (with|to|against|and) <study>",
        "compare [to|with|against|the] (prior|previous|last time|priors|baseline|before)|compare",
        "(make|do|run|start) [a|the] comparison [with <study>|to <study>]|"
        "comparison (with|to) <study>",
        "what [has|is] (changed|different|new) [(since|from|compared to|compared with) "
        "(<study>|last time)]",
        "how (has|have|did) (it|this|they|things|the lesion|the lesions|the findings|this lesion) "
        "(changed|change|grown|progressed|evolved) [(since|from|compared to|compared with) "
        "(<study>|last time)]",
        "(show|give|tell) me (the changes|what changed|the change|the difference|the differences|"
        "the comparison) [since <study>|from <study>|with <study>|to <study>|since last time]",
        "~is (it|this|the lesion|this lesion|there) (growing|bigger|larger|smaller|stable|change|"
        "any change) [than <study>|since <study>|compared to <study>|compared with <study>|than "
        "before]|put <study> (next to|beside|alongside) this one",
    )),
    ("open_prior", (
        "(open|load|show|show me|bring up|pull up|display|get|fetch|retrieve|call up|find|let me "
        "see|put up|hang|go to|look at|give me|view) <study>",
        "(open|load|show|show me|bring up|pull up|display) [the] (prior|previous|priors|comparison "
        "study|comparison exam)",
        "is there a prior [<study_noun>]|prior [<study_noun>] please",
        "open <study> (next to|beside|alongside|side by side with) (this one|this|it|"
        "the current one|the current study)",
    )),
    ("draft_report", (
        "(draft|write|create|generate|prepare|make|compose|start|produce|fill in|fill out|begin|"
        "write up|do|type|update|put together|give me|draft me|write me) "
        "[a|the|my|me a|me the|an] [new|structured|preliminary|draft|radiology|full|short|first] "
        "(report|draft|report draft|draft report) [(with|from|using|including|based on|for|of) "
        "[the|all|all the|these|this|my|current] (measurements|findings|results|measurement|study|"
        "exam|scan|numbers|values|case|patient|everything|measured values|lesions|examination)]",
        "(draft|write|create|generate|prepare|make|compose|start|produce|fill in|update|write up) "
        "[a|the|my|an] {section} [section] [of the report|for the report|for me]",
        "put (the|these|those) (measurements|findings|results) (in|into) "
        "[the|a] (report|draft|report draft)|add the measurements to the report|"
        "report (this|the findings|the measurements|it)|write (it|this) up",
    )),
    ("read_back", (
        "read [me] [back] [to me] [the|my] {section} [section] [back|aloud|out|out loud|again|to me|"
        "back to me|to me again]",
        "read [me] [back] [the|my] (report|draft|dictation|draft report) [back|aloud|out|out loud|"
        "again|to me|back to me]",
        "read (it|that|this) (back|aloud|out|to me|again|back to me|out loud)|read back|read it",
        "what does [the|my] ({section}|report) say|what did i (say|dictate)|"
        "repeat the {section}|play back the ({section}|report)|let me hear the ({section}|report)",
        "read [back] [the|my] {section} (of|in) the report [back|aloud]",
    )),
    ("send_masks", (
        "<send> [the|this|that|these|all|all the|my|current|the current|the accepted|the new|a|"
        "the last] (<masks>) [<to_archive>] [for me]",
        "<send> (<masks>) over <to_archive>",
    )),
    ("send_report", (
        "<send> [the|this|that|my|a|the draft|the final|the finished|all|all the] (<reports>) "
        "[<to_archive>]",
    )),
    ("send_all", (
        "<send> (everything|all|all [of] (it|them|this|that)|all [the] results|the results|results|"
        "it all|both|both of them|all of the results|all objects|the whole lot|it|this|that|them|"
        "these) [<to_archive>]",
        "<send> [the|this|my] (<masks>) and [the|this|my] (<reports>) [<to_archive>]",
        "<send> [the|this|my] (<reports>) and [the|this|my] (<masks>) [<to_archive>]",
        "<send> <to_archive>",
    )),
    ("sign", (
        "~(sign|finalize|finalise|sign off|sign off on|authenticate|verify) [off] [the|this|my] "
        "[report|draft|draft report|study|findings]",
        "~sign and send [the|this|my] report [<to_archive>]",
    )),
    ("dictate", (
        "~(dictate|dictation|note that|please note that|write down|write that|take a note|"
        "type|note) {text}",
        "~(add|append|insert|write|put|dictate|enter|type) (to|in|into|under|in to) [the|my] "
        "{section} [section] [that] {text}",
        "~(add|append|insert) (to|in|into) [the|my] report [that] {text}",
        "~{section} (colon|is|are|as follows|reads|says) {text}",
        "~start dictation {text}",
    )),
    ("measure_selection", (
        "(measure|size|quantify|assess|calculate|get the size of|take a measurement of) <selection>",
        "<how_big> <selection>",
        "<measuring> [me] <measures> (of|for) <selection>",
        "[the] {measure} [and [the] {measure}] of <selection>",
        "what <measures> does <selection> have|how (long|wide) is <selection>",
        "take a measurement|measure|take measurements",
    )),
    ("measure", (
        "(measure|size|quantify|assess|calculate|compute|take a measurement of|take measurements "
        "of|get the size of|get a measurement of|determine the size of|calculate the size of) "
        "{findings}",
        "<how_big> {findings}",
        "~<measuring> [me] how (big|large) {findings} (is|are)",
        "~<measuring> [me] {finding} size|{finding} size|what size is {finding}",
        "~(give|get|show|tell) me (a|the) (measurement|measurements|size|dimensions) (of|for) "
        "{findings}",
    )),
    ("measure_as", (
        "[<measuring> [me]] <measures> (of|for|in|from) {findings}",
        "~(measure|calculate|compute|give me|tell me|what is|show me|get|report|determine) "
        "{findings} {measure} [and {measure}]",
        "{finding} {measure} [and {measure}]",
        "~how (much|many) {measure} (has|does) {finding} [have|occupy]",
        "~what {measure} (is|has|does) {finding} [have|occupy]",
        "~how {measure} is {finding}",
        "~measure {findings} (and|then) (give|tell|show) me <measures>",
        "~measure {findings} and (report|calculate|state) <measures>",
        "~measure {findings} in {measure}",
    )),
    ("segment_selection", (
        "<make> <selection> [and measure it]",
    )),
    ("segment", (
        "<make> [me] {findings}",
        "<make> [me] {findings} <and_measure>",
        "~<make> and (measure|size|quantify) {findings}",
        "~<make> [me] {findings} with [<its>] <measures>",
        "~(show|show me|find|give me|locate|go to) {findings} <and_measure>",
        "~where is {findings} and how (big|large) (is|are) <it>",
    )),
    ("segment_as", (
        "~<make> and (calculate|measure|report|give me|compute) <measures> (of|for) {findings}",
    )),
    ("show", (
        "<show> {finding} [again|now|in this study|in the image|on the image|on this image|here]",
        "~(show|display) [me] where {finding} (is|are)",
    )),
    ("finding_alone", ("~{findings}",)),
    ("unknown", (
        "~(<make>) {unknown}",
        "~(measure|size|quantify|calculate) {unknown}",
        "~<how_big> {unknown}",
        "~<measuring> [me] <measures> (of|for) {unknown}",
        "~(show|display|find|locate|where is|where are) [me] {unknown}",
    )),
)  # fmt: skip

PRESETS: Final[dict[str, str]] = {
    "lung": "lung", "lungs": "lung", "pulmonary": "lung", "parenchymal": "lung",
    "bone": "bone", "bones": "bone", "bony": "bone", "osseous": "bone", "skeletal": "bone",
    "brain": "brain", "cerebral": "brain", "head": "brain",
    "mediastinum": "mediastinum", "mediastinal": "mediastinum",
    "abdomen": "abdomen", "abdominal": "abdomen", "soft tissue": "abdomen",
    "soft tissues": "abdomen", "liver": "liver", "hepatic": "liver",
    "subdural": "subdural", "blood": "subdural", "stroke": "stroke", "infarct": "stroke",
    "ischemia": "stroke", "auto": "auto", "automatic": "auto", "default": "auto",
    "normal": "auto", "original": "auto",
}  # fmt: skip

MEASURES: Final[dict[str, str]] = {
    "volume": "volume", "~volumes": "volume", "total volume": "volume", "~cubic volume": "volume",
    "~volumetry": "volume", "~milliliters": "volume", "~ccs": "volume",
    "diameter": "diameter", "~diameters": "diameter", "long axis": "diameter",
    "longest diameter": "diameter", "long axis diameter": "diameter",
    "maximum diameter": "diameter", "max diameter": "diameter", "axial diameter": "diameter",
    "longest axial diameter": "diameter", "largest diameter": "diameter",
    "maximal diameter": "diameter", "length": "diameter", "width": "diameter",
    "~long": "diameter", "~wide": "diameter", "greatest diameter": "diameter",
    "density": "density", "~densities": "density", "mean density": "density",
    "average density": "density", "attenuation": "density", "mean attenuation": "density",
    "average attenuation": "density", "hounsfield units": "density", "hounsfield unit": "density",
    "hounsfield value": "density", "hounsfield values": "density", "mean hounsfield units": "density",
    "hu": "density", "mean hu": "density", "~dense": "density", "average hounsfield units": "density",
}  # fmt: skip

SECTIONS: Final[dict[str, str]] = {
    "impression": "impression", "impressions": "impression", "conclusion": "impression",
    "summary": "impression", "findings": "findings", "finding": "findings",
    "technique": "technique", "comparison": "comparison", "indication": "indication",
    "history": "history", "clinical history": "history", "recommendation": "recommendation",
    "recommendations": "recommendation",
}  # fmt: skip
