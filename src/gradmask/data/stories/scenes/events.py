"""What happens: journeys, finds, troubles and attempts."""

JOURNEY = """
{h} {>place} to {the+:m} with {h.his} {n:n}. || {h} {>place} hasta {the+:m} con su {n:n}.
{time}, {h} and {f} {>place} towards {the:m}. || {time}, {h} y {f} salieron hacia {the:m}.
{The:m} was {num} miles from {w}. || {The:m} estaba a {num} millas de {w}.
{h} crossed {the:m} and saw {a:k}. || {h} cruzó {the:m} y vio {a:k}.
It took {num} hours to reach {the:m}. || Tardaron {num} horas en llegar {to the:m}.
{h} took the road that leads from {the:l} to {the:m}. || {h} tomó el camino que va {from the:l} {to the:m}.
On the way, {h} stopped to {=alone}. || Por el camino, {h} se detuvo para {=alone}.
They passed {a:m} where {pl:p2} were selling {pl:c}. || Pasaron por {a:m} donde vendían {pl:c}.
{h} rode {a-:n2} as far as {the:m}. || {h} montó {a-:n2} hasta {the:m}.
After {num} days, {h} arrived at {a:m}. || Después de {num} días, {h} llegó a {a:m}.
{h} got lost near {the:m} and asked {a:p2} for the way. || {h} se perdió cerca {of the:m} y le preguntó el camino a {a:p2}.
The boat carried {h} to {a:m}. || La barca llevó a {h} hasta {a:m}.
It was dark when {h} {>place} to {the:m}. || Ya era de noche cuando {h} {>place} hasta {the:m}.
{h} followed {the:n} into {the:m}. || {h} siguió {to the:n} dentro {of the:m}.
{time}, the train stopped at {w2}. || {time}, el tren paró en {w2}.
{h} travelled from {w} to {w2} in {num} days. || {h} viajó de {w} a {w2} en {num} días.
With {the:t} in {h.his} hand, {h} {>place} to {the:l}. || Con {the:t} en la mano, {h} {>place} hasta {the:l}.
"""

FIND = """
There, under {a:k}, {h} found {a:t}. || Allí, debajo de {a:k}, {h} encontró {a:t}.
Inside {the:u} was {a:t}. || Dentro {of the:u} había {a:t}.
{time}, {the:n} brought {a:t} to {h}. || {time}, {the:n} le trajo {a:t} a {h}.
{h} opened {the:u} and saw {the:t}. || {h} abrió {the:u} y vio {the:t}.
Behind {the:m} {h} discovered {a:u} with {num} {pl:c}. || Detrás {of the:m}, {h} descubrió {a:u} con {num} {pl:c}.
{h} {>thing} {the:t} and {>thing} it again. || {h} {>thing} {the:t} y volvió a mirarlo todo.
Somebody had left {a:u} at the door of {the:l}. || Alguien había dejado {a:u} en la puerta {of the:l}.
Between {the:t} and {the:u} lay {a-:c}. || Entre {the:t} y {the:u} había {a-:c}.
{f} noticed {a:u} among the {pl:k}. || {f} notó {a:u} entre las ramas de {a-:k}.
On {the:u} somebody had written the number {num}. || En {the:u} alguien había escrito el número {num}.
{The:t} was {thingadj:t}, but it still worked. || {The:t} estaba {thingadj:t}, pero todavía servía.
At the bottom of {the:u} there were {num} {pl:t}. || En el fondo {of the:u} había {num} {pl:t}.
{h} had never seen such {a:t}. || {h} nunca había visto {a:t} así.
{The:u} belonged to {the:p2} of {w2}. || {The:u} era {of the:p2} de {w2}.
"""

TROUBLE = """
But {the:t} was gone. || Pero {the:t} ya no estaba.
Suddenly, {a:n} {>thing} {the:t}. || De repente, {a:n} {>thing} {the:t}.
{time}, {the:p2} of {w2} {>thing} {the:t}. || {time}, {the:p2} de {w2} {>thing} {the:t}.
Then it began to rain, and {the:t} got wet. || Entonces empezó a llover y {the:t} se mojó.
{h} fell and broke {the:u}. || {h} se cayó y rompió {the:u}.
{The:n} ran away with {the:t}. || {The:n} se escapó con {the:t}.
The door of {the:m} was locked. || La puerta {of the:m} estaba cerrada con llave.
{h} had forgotten {the:u} in {the:l}. || {h} había olvidado {the:u} en {the:l}.
A fire broke out in {the:m}. || Se declaró un incendio en {the:m}.
{f} got sick and could not {=alone}. || {f} se puso enferm{o:f} y no podía {=alone}.
The bridge near {the:m} had fallen into the river. || El puente que estaba cerca {of the:m} se había caído al río.
"You cannot enter {the:m} without {a:u}," said {the:p2}. || —No se puede entrar {to the:m} sin {a:u} —dijo {the:p2}.
There were only {num} {pl:c} left. || Solo quedaban {num} {pl:c}.
{h} noticed that {the:t} was {thingadj:t}. || {h} se dio cuenta de que {the:t} estaba {thingadj:t}.
{num} {pl:n} blocked the way. || {num} {pl:n} cerraban el paso.
Nobody believed {h}. || Nadie le creyó a {h}.
{The:p2} demanded {num} coins for {the:t}. || {The:p2} pidió {num} monedas por {the:t}.
While {h} was {~alone}, somebody {>thing} {the:u}. || Mientras {h} estaba {~alone}, alguien {>thing} {the:u}.
"""

ATTEMPT = """
{h} tried to {=thing} {the:t} with {a:u}. || {h} intentó {=thing} {the:t} con {a:u}.
First {h} {>thing} {the:u}, and then {the:t}. || Primero {h} {>thing} {the:u}, y luego {the:t}.
{f} suggested that they {=thing} {the:u}. || {f} propuso {=thing} {the:u}.
{h} had {a:q}: to {=thing} {the:t}. || {h} tuvo {a:q}: {=thing} {the:t}.
With the help of {f}, {h} {>thing} {the:t}. || Con la ayuda de {f}, {h} {>thing} {the:t}.
It did not work the first {num} times. || Las primeras {num} veces no funcionó.
{h} {>thing} {the:t} without {~thing} {the:u}. || {h} {>thing} {the:t} sin {=thing} {the:u}.
They spent {num} hours {~thing} {the:t}. || Pasaron {num} horas {~thing} {the:t}.
{h} asked {the:p2} to {=thing} {the:u}. || {h} le pidió {to the:p2} {=thing} {the:u}.
{The:n} helped {h} to {=thing} {the:t}. || {The:n} ayudó a {h} a {=thing} {the:t}.
Slowly, {h} began to {=thing} {the:u}. || Despacio, {h} empezó a {=thing} {the:u}.
Instead of {~alone}, {h} {>thing} {the:t} once more. || En vez de {=alone}, {h} {>thing} {the:t} una vez más.
{h} waited {num} minutes before {~thing} {the:t}. || {h} esperó {num} minutos antes de {=thing} {the:t}.
"If we {=thing} {the:u}, we can {=thing} {the:t}," said {f}. || —Hay que {=thing} {the:u} para {=thing} {the:t} —dijo {f}.
{h} put {the:t} on {the:u} and {>alone}. || {h} puso {the:t} sobre {the:u} y {>alone}.
After that, {f} {>thing} {the:u} too. || Después de eso, {f} también {>thing} {the:u}.
"""
