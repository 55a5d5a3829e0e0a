"""How stories begin: someone, somewhere, who wants something."""

OPENING = """
Once there was {a:p} called {h} who lived near {the+:l}. || Había una vez {a:p} que se llamaba {h} y vivía cerca {of the+:l}.
{h} was {a:p} from {w}. || {h} era {a:p} de {w}.
In {w} everybody knew {h}, {the:p}. || En {w} todos conocían a {h}, {the:p}.
Many years ago, {a:p} named {h} came to {w}. || Hace muchos años llegó a {w} {a:p} de nombre {h}.
{h} had lived in {w} for {num} years. || {h} llevaba {num} años viviendo en {w}.
{h} was {num} years old when this story began. || {h} tenía {num} años cuando empezó esta historia.
Nobody in {w} worked as hard as {h}. || Nadie en {w} trabajaba tanto como {h}.
At the end of the road to {w} lived {h}, {a:p}. || Al final del camino de {w} vivía {h}, {a:p}.
This is the story of {h} and {the:t}. || Esta es la historia de {h} y {the:t}.
{h} and {f} grew up together in {w}. || {h} y {f} crecieron juntos en {w}.
In a small house beside {the+:l}, {h} lived with {a-:n}. || En una casita junto {to the+:l}, {h} vivía con {a-:n}.
People said that {h} was the most {trait:h} person in {w}. || La gente decía que {h} era la persona más amable de {w}, aunque {h} no lo creía.
Every {day}, {h} went to {the:l} to meet {f}. || Todos los {days}, {h} iba {to the:l} para ver a {f}.
{h}, {a:p}, owned {num} {pl:t}. || {h}, {a:p}, tenía {num} {pl:t}.
When {h} was a child, {h.his} family moved to {w}. || Cuando {h} era pequeñ{o:h}, su familia se mudó a {w}.
There was {a:l} in {w}, and in it worked {h}. || En {w} había {a:l}, y allí trabajaba {h}.
{h} was {trait:h} and {trait:h}, as {pl:p} often are. || {h} era {trait:h} y {trait:h}, como suele ocurrir.
It was {h.his} first {day} as {a-:p}, and {h} was {feel:h}. || Era su primer {day} como {n:p}, y {h} estaba {feel:h}.
"""

SETTING = """
It was {daytime}, in {season}, and {the:l} was {placeadj:l}. || Era una {daytime} de {season}, y {the:l} estaba {placeadj:l}.
{The+:l} lay between {the:m} and the sea. || {The+:l} quedaba entre {the:m} y el mar.
Around {the:l} there were {num} {pl:k}. || Alrededor {of the:l} había {num} {pl:k}.
From {the:l} one could see {the+:m}. || Desde {the:l} se veía {the+:m}.
On {day}s {the:l} was full of {pl:p2}. || Los {days}, {the:l} se llenaba de {pl:p2}.
Behind {the:l} grew {a-:k}. || Detrás {of the:l} crecía {a-:k}.
In those days {the:l} had only {num} inhabitants. || En aquellos días {the:l} tenía solo {num} habitantes.
The clock of {the:m} struck {hour}. || El reloj {of the:m} dio las {hour}.
The road to {the:l} passed {a:m}. || El camino hacia {the:l} pasaba por {a:m}.
Nobody had opened {the:l} since {year}. || Nadie había abierto {the:l} desde {year}.
The wind smelled of {pl:c} and {pl:k}. || El viento olía a {pl:c} y {pl:k}.
There was {a:t} on every table of {the:l}. || Había {a:t} en cada mesa {of the:l}.
{The:n} of {the:p2} slept in front of {the:l}. || {The:n} {of the:p2} dormía delante {of the:l}.
{num} {pl:n} lived beside {the:l}. || {num} {pl:n} vivían junto {to the:l}.
At {hour} o'clock {the:l} was still closed. || A las {hour}, {the:l} seguía cerrad{o:l}.
All over {w}, people talked about {the:q}. || En todo {w} se hablaba {of the:q}.
"""

WISH = """
{h} wanted {a:t} more than anything else. || {h} quería {a:t} más que ninguna otra cosa.
{h} had always dreamed of {=thing_ing} {a:t}. || {h} siempre había soñado con {=thing} {a:t}.
One {day}, {h} decided to {=thing} {the:t}. || Un {day}, {h} decidió {=thing} {the:t}.
"I must find {the:t} before {day}," said {h}. || —Tengo que encontrar {the:t} antes del {day} —dijo {h}.
{h} had promised {f} to {=thing} {the:t}. || {h} le había prometido a {f} {=thing} {the:t}.
For {num} days {h} thought only of {the:t}. || Durante {num} días, {h} solo pensó en {the:t}.
{h} needed {a:t} for {h.his} {n:n}. || {h} necesitaba {a:t} para su {n:n}.
{h} wished to see {the+:m} at least once. || {h} deseaba ver {the+:m} al menos una vez.
The secret wish of {h} was to become {a-:p2}. || El deseo secreto de {h} era llegar a ser {n:p2}.
{f} asked {h} to bring {a:t} from {the:m}. || {f} le pidió a {h} que trajera {a:t} {from the:m}.
A letter said that {the:t} was in {the:m}. || Una carta decía que {the:t} estaba en {the:m}.
{h} wanted to surprise {f} with {a:t}. || {h} quería sorprender a {f} con {a:t}.
If {h} found {the:t}, everything would change. || Si {h} encontraba {the:t}, todo cambiaría.
{h} had {num} coins and wanted to buy {a:t}. || {h} tenía {num} monedas y quería comprar {a:t}.
What {h} needed was {a:q}, not {a:t}. || Lo que {h} necesitaba era {a:q}, no {a:t}.
"""
