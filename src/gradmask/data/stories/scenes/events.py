"""What happens: journeys, finds, troubles and attempts."""

JOURNEY = """
{h} {>go} to {the+:m} with {h.his} {n:n}. || {h} {>go} hasta {the+:m} con su {n:n}.
{time}, {h} and {f} set out for {the+:m}. || {time}, {h} y {f} salieron hacia {the+:m}.
{The:m} was {num} miles from {w}. || {The:m} estaba a {num} millas de {w}.
{h} crossed {the:m} and saw {a:k}. || {h} cruzó {the:m} y vio {a:k}.
It took {num} hours to reach {the:m}. || Hicieron falta {num} horas para llegar {to the:m}.
{h} took the road that leads from {the:l} to {the:m}. || {h} tomó el camino que va {from the:l} {to the:m}.
On the way, {h} stopped to {=alone}. || Por el camino, {h} se detuvo para {=alone}.
They passed {a:m} where {pl:c} were sold. || Pasaron por {a:m} donde se vendían {pl:c}.
{h} followed {the+:n} as far as {the:m}. || {h} siguió {to the+:n} hasta {the:m}.
After {num} days, {h} arrived at {a:m}. || Después de {num} días, {h} llegó a {a:m}.
{h} got lost near {the:m} and asked {a:p2} for the way. || {h} se perdió cerca {of the:m} y le preguntó el camino a {a:p2}.
A boat carried {h} and {h.his} {n:n} to {the:m}. || Un barco llevó a {h} y a su {n:n} hasta {the:m}.
It was dark when {h} {>go} to {the:m}. || Ya era de noche cuando {h} {>go} hasta {the:m}.
{h} followed {the:n} into {the:m}. || {h} siguió {to the:n} dentro {of the:m}.
{time}, the train stopped at {w2}. || {time}, el tren paró en {w2}.
{h} travelled from {w} to {w2} in {num} days. || {h} viajó de {w} a {w2} en {num} días.
With {the:u} in {h.his} hand, {h} {>go} to {the:m}. || Con {the:u} en la mano, {h} {>go} hasta {the:m}.
{f} {>go} {adv} to {w2}, and {h} followed. || {f} {>go} {adv} hasta {w2}, y {h} fue detrás.
{h} put {the:u} and {few} {pl:c} into {the:b} and left {w}. || {h} metió {the:u} y {few} {pl:c} en {the:b} y se fue de {w}.
Although {weather} was terrible, {h} {>go} to {the:m}. || Aunque {weather} era terrible, {h} {>go} hasta {the:m}.
{h} had never gone beyond {the:l}. || {h} nunca había pasado {of the:l}.
Every {day}, {f} {<go} from {w} to {the:m}. || Cada {day}, {f} {<go} desde {w} hasta {the:m}.
"We are {num} miles from {w2}," {>say} {f}. || —Estamos a {num} millas de {w2} —{>say} {f}.
{The:n} ran ahead, and {h} {>go} {adv} to {the:m}. || {The:n} corría delante, y {h} {>go} {adv} hasta {the:m}.
Before leaving, {h} {>person} {h.his} {n:r}. || Antes de salir, {h} {>person} a su {n:r}.
{h.He} left {the:l} at {hour} o'clock, wearing {the+:g}. || Salió {of the:l} a las {hour}, con {the+:g}.
"""

FIND = """
There, under {a:k}, {h} found {the+:t}. || Allí, debajo de {a:k}, {h} encontró {the+:t}.
Inside {the+:b} was {a:t}. || Dentro {of the+:b} había {a:t}.
{time}, {the:n} brought {the+:t} to {h}. || {time}, {the:n} le trajo {the+:t} a {h}.
{h} opened {the:b} and saw {the+:t}. || {h} abrió {the:b} y vio {the+:t}.
Behind {the:m}, {h} discovered {a:b} with {num} {pl:c}. || Detrás {of the:m}, {h} descubrió {a:b} con {num} {pl:c}.
{h} {>thing} {the+:t} and then {>thing} {the:u}. || {h} {>thing} {the+:t} y luego {>thing} {the:u}.
Somebody had left {a:b} at the door of {the:m}. || Alguien había dejado {a:b} en la puerta {of the:m}.
Between {the:t} and {the:u} lay {a:c}. || Entre {the:t} y {the:u} había {a:c}.
{f} noticed {a:u} behind {the:k}. || {f} vio {a:u} detrás {of the:k}.
On {the:t}, somebody had written the number {num}. || En {the:t}, alguien había escrito el número {num}.
{The:t} looked {adj:t}, but it still worked. || {The:t} parecía {adj:t}, pero todavía servía.
At the bottom of {the:b} there were {num} {pl:t2}. || En el fondo {of the:b} había {num} {pl:t2}.
{h} had never seen such {a:t}. || {h} nunca había visto {a:t} así.
{The:u} belonged to {the:p2} of {w2}. || {The:u} era {of the:p2} de {w2}.
It was {a:u} made of {mat}, and {h} {>thing} it {adv}. || Era {a:u} de {mat}, y {h} {lo:u} {>thing} {adv}.
{time}, {f} found {the:b} that {the:p2} had hidden. || {time}, {f} encontró {the:b} que había escondido {the:p2}.
In {the:j} of {the:m} there was {a-:g} with {few} holes. || En {the:j} {of the:m} había {a-:g} con {few} agujeros.
Nobody had touched it since {year}. || Nadie {lo:t} había tocado desde {year}.
{The:v} had made its nest in {the+:b}. || {The:v} había hecho su nido en {the+:b}.
{The:t} weighed {num} pounds and was painted {colour}. || {The:t} pesaba {num} libras y estaba pintad{o:t} de {colour}.
"Look, {f}: {a:t}!" || —Mira, {f}: ¡{a:t}!
{h} lit a match and saw {num} {pl:t2} on the ground. || {h} encendió un fósforo y vio {num} {pl:t2} en el suelo.
"""

TROUBLE = """
But {the+:t} was gone. || Pero {the+:t} ya no estaba.
Suddenly, {a:n} {>thing} {the:t}. || De repente, {a:n} {>thing} {the:t}.
{time}, {the:p2} of {w2} {>thing} {the:t}. || {time}, {the:p2} de {w2} {>thing} {the:t}.
Then it began to rain, and {the:t} got wet. || Entonces empezó a llover y {the:t} se mojó.
{h} fell and broke {the:u}. || {h} se cayó y rompió {the:u}.
{The+:n} ran away with {the:t}. || {The+:n} se escapó con {the:t}.
{The:j} of {the:m} was locked. || {The:j} {of the:m} estaba cerrad{o:j} con llave.
{h} had forgotten {the:u} in {the:l}. || {h} había olvidado {the:u} en {the:l}.
A fire broke out in {the:m}. || Se declaró un incendio en {the:m}.
{f} got sick and could not {=alone}. || {f} se puso enferm{o:f} y no podía {=alone}.
The bridge near {the:m} had fallen into the river. || El puente que estaba cerca {of the:m} se había caído al río.
"You cannot enter {the:m} without {a:u}," said {the:p2}. || —No se puede entrar en {the:m} sin {a:u} —dijo {the:p2}.
There were only {num} {pl:c} left. || Solo quedaban {num} {pl:c}.
{h} noticed that {the:t} looked {adj:t}. || {h} se dio cuenta de que {the:t} parecía {adj:t}.
{num} {pl:n} blocked the way. || {num} {pl:n} cerraban el paso.
Nobody believed {h}, because {h.he} was {a-:p}. || Nadie le creyó a {h}, porque era {n:p}.
{The:p2} demanded {num} coins for {the:t}. || {The:p2} pidió {num} monedas por {the:t}.
While {h} was {~alone}, somebody {>thing} {the:u}. || Mientras {h} estaba {~alone}, alguien {>thing} {the:u}.
{time}, {weather} surprised them near {the:m}. || {time}, {weather} los sorprendió cerca {of the:m}.
{f} {^thing} {the:t} without asking {h}. || {f} {^thing} {the:t} sin preguntarle a {h}.
{The:p2} {>person} {f} and took {the:t}. || {The:p2} {>person} a {f} y se llevó {the:t}.
"{The:p2} {^thing} {the:t}!" {>ask} {f}. || —¡{The:p2} {^thing} {the:t}! —{>ask} {f}.
{h} tore {h.his} {n:g} on {the:j} of {the:m}. || {h} se rompió {the:g} con {the:j} {of the:m}.
{The:v} made so much noise that {the:p2} woke up. || {The:v} hizo tanto ruido que se despertó {the:p2}.
Without {the:t}, {the:q} was worth nothing. || Sin {the:t}, {the:q} no valía nada.
{h} and {f} quarrelled about {the:t} for {num} days. || {h} y {f} discutieron por {the:t} durante {num} días.
"""

ATTEMPT = """
{h} tried to {=thing} {the:t} with {a:u}. || {h} intentó {=thing} {the:t} con {a:u}.
First {h} {>thing} {the:u}, and then {the:t}. || Primero {h} {>thing} {the:u}, y luego {the:t}.
{f} suggested to {=thing} {the:u}. || {f} propuso {=thing} {the:u}.
{h} had {a:q}: to {=thing} {the:t}. || {h} tuvo {a:q}: {=thing} {the:t}.
With the help of {f}, {h} {>thing} {the:t}. || Con la ayuda de {f}, {h} {>thing} {the:t}.
It did not work the first {num} times. || En los primeros {num} intentos no funcionó.
{h} {>thing} {the:t} without {~thing} {the:u}. || {h} {>thing} {the:t} sin {=thing} {the:u}.
They spent {num} hours {~thing} {the:t}. || Pasaron {num} horas {~thing} {the:t}.
{h} wanted {the:p2} to {=thing} {the:u}. || {h} mandó {to the:p2} {=thing} {the:u}.
{The:n} helped {h} to {=thing} {the:t}. || {The:n} ayudó a {h} a {=thing} {the:t}.
Slowly, {h} began to {=thing} {the:u}. || Despacio, {h} empezó a {=thing} {the:u}.
Instead of {~alone}, {h} {>thing} {the:t} once more. || En lugar de descansar, {h} {>thing} {the:t} una vez más.
{h} waited {num} minutes before {~thing} {the:t}. || {h} esperó {num} minutos antes de {=thing} {the:t}.
"First {the:u} and then {the:t}," said {f}. || —Primero {the:u} y luego {the:t} —dijo {f}.
{h} put {the:t} on {the:b} and {>alone}. || {h} puso {the:t} sobre {the:b} y {>alone}.
After that, {f} {>thing} {the:u} {adv} too. || Después de eso, {f} también {>thing} {adv} {the:u}.
{h} {>thing} {the:t} {adv}, as {h.his} {n:r} had taught {h.him}. || {h} {>thing} {adv} {the:t}, como le había enseñado su {n:r}.
{time}, {h} {>go} to {the:m} to look for {the:t}. || {time}, {h} {>go} hasta {the:m} para buscar {the:t}.
{f} hid behind {a:k} while {h} {>thing} {the:u}. || {f} se escondió detrás de {a:k} mientras {h} {>thing} {the:u}.
{h} looked for {the:t} in {the:b}, under {the:j} and in {the:m}. || {h} buscó {the:t} en {the:b}, debajo {of the:j} y en {the:m}.
{h} {>person} {the:p2}, and {the:p2} {>person} {f}. || {h} {>person} {to the:p2}, y {the:p2} {>person} a {f}.
{h} gave {few} {pl:c} to {the:n}, and {the:n} {>animal}. || {h} le dio {few} {pl:c} {to the:n}, y {the:n} {>animal}.
"If it is necessary, I {!!thing} {the:u}," {>say} {h}. || —Si hace falta, {!!thing} {the:u} —{>say} {h}.
They built {a-:b} of {mat} to carry {the:t}. || Hicieron {a-:b} de {mat} para llevar {the:t}.
{h} exchanged {the:u} for {a-:g} made of {mat}. || {h} cambió {the:u} por {a-:g} de {mat}.
"""
