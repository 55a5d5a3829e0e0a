"""Between events: nature, feelings, asides."""

NATURE = """
{A:n2} was {~animal} near {the:m}. || {A:n2} estaba {~animal} cerca {of the:m}.
The sun rose behind {the:m}. || El sol salió detrás {of the:m}.
It snowed for {num} days. || Nevó durante {num} días.
A cold wind came from {the:m}. || Un viento frío venía {from the:m}.
{num} {pl:v} flew over {the:m}. || {num} {pl:v} volaron sobre {the:m}.
The moon shone on {the+:m}. || La luna brillaba sobre {the+:m}.
The leaves of {the:k} moved with the wind. || Las hojas {of the:k} se movían con el viento.
In {season}, {the:m} looks {adj:m}. || En {season}, {the:m} parece {adj:m}.
Under {the+:k} slept {a-:n2}. || Bajo {the+:k} dormía {a-:n2}.
The rain fell on {the:l} and on {the:m}. || La lluvia caía sobre {the:l} y sobre {the:m}.
There was no cloud over {w}. || No había ni una nube sobre {w}.
{The:n} looked at {the:n2}, and {the:n2} looked at {the:n}. || {The:n} miraba {to the:n2}, y {the:n2} miraba {to the:n}.
Around {the:m} there were {pl:k} in bloom. || Alrededor {of the:m} había {pl:k} en flor.
{The+:v} sang on {the:j} of {the:l}. || {The+:v} cantaba sobre {the:j} {of the:l}.
{weather} covered {the:m} and {the:l}. || {weather} cubrió {the:m} y {the:l}.
{The:n} {>animal} when {weather} came. || {The:n} {>animal} cuando llegó {weather}.
In {month}, {the:k} has {num} leaves. || En {month}, {the:k} tiene {num} hojas.
{The:v} {<animal} on {the+:k}. || {The:v} {<animal} sobre {the+:k}.
{The:n2} {^animal} near {the:b}. || {The:n2} {^animal} cerca {of the:b}.
The sky over {w2} was {colour} and {colour}. || El cielo de {w2} era {colour} y {colour}.
After {weather}, {the:k} looked {adj:k}. || Después, {the:k} parecía {adj:k}, y {weather} se fue.
{time}, {the:n} {>animal} between {the:k} and {the:m}. || {time}, {the:n} {>animal} entre {the:k} y {the:m}.
{The:v} built its nest with {mat} and {mat}. || {The:v} hizo su nido con {mat} y {mat}.
"""

FEELING = """
{h} was {feel:h}. || {h} estaba {feel:h}.
{f} was {feel:f}, and {h} was {feel:h}. || {f} estaba {feel:f}, y {h} estaba {feel:h}.
{h} {>alone} and {>alone}. || {h} {>alone} y {>alone}.
{f} was no longer {feel:f}. || {f} ya no estaba {feel:f}.
That night {h} could not {=alone}. || Aquella noche {h} no pudo {=alone}.
{h} felt {feel:h} when {h.he} thought of {the:t}. || {h} se sentía {feel:h} al pensar en {the:t}.
{f} {>alone} because {the:n} was {~animal}. || {f} {>alone} porque {the:n} estaba {~animal}.
Although {h} was {feel:h}, {h.he} {>alone}. || Aunque {h} estaba {feel:h}, {>alone}.
Never before had {h} been so {feel:h}. || Nunca antes había estado {h} tan {feel:h}.
{The:p2} looked {feel:p2}. || {The:p2} parecía {feel:p2}.
{h} {>alone} for {num} minutes. || {h} {>alone} durante {num} minutos.
Even {the:n} seemed {adj:n}. || Hasta {the:n} parecía {adj:n}.
{f} wanted to {=alone}, but {h} wanted to {=alone}. || {f} quería {=alone}, pero {h} quería {=alone}.
{time}, {h} {>alone} in front of {the:m}. || {time}, {h} {>alone} delante {of the:m}.
{h} thought of {virtue} and {>alone} {adv}. || {h} pensó en {virtue} y {>alone} {adv}.
{f} raised a hand and {>alone}. || {f} levantó la mano y {>alone}.
{h} hurt {h.his} {body} and {>alone}. || {h} se hizo daño y {>alone}.
{h} {>idea} {the:q} and felt {feel:h}. || {h} {>idea} {the:q} y se sintió {feel:h}.
{f} {^alone} all night. || {f} {^alone} toda la noche.
{h} used to be {feel:h} in {season}. || {h} solía estar {feel:h} en {season}.
{the:p2} {>person} {h}, and {h} was {feel:h}. || {the:p2} {>person} a {h}, y {h} estaba {feel:h}.
{h.He} missed {h.his} {n:r} and {the:l}. || Echaba de menos a su {n:r} y {the:l}.
"""

ASIDE = """
{A:p2} never {*idea} {a:q}. || {A:p2} nunca {*idea} {a:q}.
It was not {a:q}, but {a:q2}. || No era {a:q}, sino {a:q2}.
{The:q} seemed {adj:q}. || {The:q} parecía {adj:q}.
Some people prefer {a:u} to {a:t}. || Hay quien prefiere {a:u} antes que {a:t}.
In {year}, {the:p2} of {w2} {^thing} {a:t} too. || En {year}, {the:p2} de {w2} también {^thing} {a:t}.
{f} knew {num} {pl:q} by heart. || {f} sabía {num} {pl:q} de memoria.
Every {n:t} has {a:q}. || Cada {n:t} tiene {a:q}.
{the:p2} used to say that {a-:n} brings {a:q}. || {the:p2} solía decir que {a-:n} trae {a:q}.
Nobody knew where {the:q} came from. || Nadie sabía de dónde venía {the:q}.
{h} kept {the:u} in {a-:b} for {num} years. || {h} guardó {the:u} en {a-:b} durante {num} años.
There are {num} ways to {=thing} {a:t}. || Hay {num} maneras de {=thing} {a:t}.
{f} wrote down {the:q} on {a-:t2}. || {f} anotó {the:q} junto a {a-:t2}.
Neither {the:n} nor {the:n2} could {=alone}. || Ni {the:n} ni {the:n2} sabían {=alone}.
{h} remembered {the:q} that {f} had told {h.him}. || {h} recordó {the:q} que {f} le había contado.
The newspaper of {w2} wrote about {the+:q}. || El periódico de {w2} escribió sobre {the+:q}.
Without {virtue} there is no {n:q}. || Sin {virtue} no hay {n:q}.
{virtue} and {virtue} do not always go together. || {virtue} y {virtue} no siempre van de la mano.
{A-:p2} who {*alone} also {*alone}. || {A-:p2} que {*alone} también {*alone}.
In {w}, {a-:g} of {mat} costs more than {a-:t}. || En {w}, {a-:g} de {mat} cuesta más que {a-:t}.
{The:p2} {<idea} {the:q} every {day}. || {The:p2} {<idea} {the:q} cada {day}.
{big} people have heard {the+:q}. || {big} personas han oído {the+:q}.
Nobody {^idea} {the:q} before {year}. || Nadie {^idea} {the:q} antes de {year}.
According to {h}'s {n:r}, {the:n} {*animal} when it rains. || Según {the:r} de {h}, {the:n} {*animal} cuando llueve.
To {=idea} {a-:q} one needs {virtue}. || Para {=idea} {a-:q} hace falta {virtue}.
"""
