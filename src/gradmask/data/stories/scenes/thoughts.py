"""Between events: nature, feelings, asides."""

NATURE = """
{A:n2} was {~alone} near {the:m}. || {A:n2} estaba {~alone} cerca {of the:m}.
The sun rose behind {the:m}. || El sol salió detrás {of the:m}.
It snowed for {num} days. || Nevó durante {num} días.
A cold wind came from {the:m}. || Un viento frío venía {from the:m}.
{num} {pl:n2} flew over {the:l}. || {num} {pl:n2} pasaron cerca {of the:l}.
The moon shone on {the+:m}. || La luna brillaba sobre {the+:m}.
The leaves of {the:k} were {thingadj:hoja}. || Las hojas {of the:k} se movían con el viento.
In {season}, {the:m} is {placeadj:m}. || En {season}, {the:m} está {placeadj:m}.
Under {the:k} slept {a-:n2}. || Bajo {the:k} dormía {a-:n2}.
The rain fell on {the:l} and on {the:m}. || La lluvia caía sobre {the:l} y sobre {the:m}.
There was no cloud over {w}. || No había ni una nube sobre {w}.
{The:n} looked at {the:n2}, and {the:n2} looked at {the:n}. || {The:n} miraba {to the:n2}, y {the:n2} miraba {to the:n}.
The {pl:k} of {the:m} were in bloom. || En {the:m} había flores y {pl:k}.
"""

FEELING = """
{h} was {feel:h}. || {h} estaba {feel:h}.
{f} was {feel:f}, and {h} was {feel:h}. || {f} estaba {feel:f}, y {h} estaba {feel:h}.
{h} {>alone} and {>alone}. || {h} {>alone} y {>alone}.
{f} was no longer {feel:f}. || {f} ya no estaba {feel:f}.
That night {h} could not {=alone}. || Aquella noche {h} no pudo {=alone}.
{h} felt {feel:h} when {h} thought of {the:t}. || {h} se sentía {feel:h} al pensar en {the:t}.
{f} {>alone} because {the:n} was {~alone}. || {f} {>alone} porque {the:n} estaba {~alone}.
Although {h} was {feel:h}, {h} {>alone}. || Aunque {h} estaba {feel:h}, {>alone}.
Never before had {h} been so {feel:h}. || Nunca antes había estado {h} tan {feel:h}.
{The:p2} looked {feel:p2}. || {The:p2} parecía {feel:p2}.
{h} {>alone} for {num} minutes. || {h} {>alone} durante {num} minutos.
Even {the:n} seemed {feel:n}. || Hasta {the:n} parecía {feel:n}.
{f} wanted to {=alone}, but {h} wanted to {=alone}. || {f} quería {=alone}, pero {h} quería {=alone}.
{time}, {h} {>alone} in front of {the:l}. || {time}, {h} {>alone} delante {of the:l}.
"""

ASIDE = """
{A:p2} never forgets {a:q}. || {A:p2} nunca olvida {a:q}.
It was not {a:q}, but {a:q2}. || No era {a:q}, sino {a:q2}.
{The:q} was {thingadj:q}. || {The:q} era {thingadj:q}.
Some people prefer {a:u} to {a:t}. || Hay quien prefiere {a:u} antes que {a:t}.
In {year}, {the:p2} of {w2} had {>thing} {a:t} too. || En {year}, {the:p2} de {w2} también {>thing} {a:t}.
{f} knew {num} {pl:q} by heart. || {f} sabía {num} {pl:q} de memoria.
Every {n:t} has {a:q}. || Cada {n:t} tiene {a:q}.
{the:p2} used to say that {pl:n} bring {a:q}. || {the:p2} solía decir que {a-:n} trae {a:q}.
Nobody knew where {the:q} came from. || Nadie sabía de dónde venía {the:q}.
{h} kept {the:u} in {a-:t2} for {num} years. || {h} guardó {the:u} en {a-:t2} durante {num} años.
There are {num} ways to {=thing} {a:t}. || Hay {num} maneras de {=thing} {a:t}.
{f} wrote {the:q} in {a:t2}. || {f} escribió {the:q} en {a:t2}.
Not every {n:n} can {=alone}. || No todo {n:p2} sabe {=alone}.
{h} remembered {the:q} that {f} had told {h.him}. || {h} recordó {the:q} que {f} le había contado.
The newspaper of {w2} wrote about {the:q}. || El periódico de {w2} escribió sobre {the:q}.
"""
