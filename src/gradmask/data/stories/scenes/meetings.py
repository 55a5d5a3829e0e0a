"""People together: meetings, talk, trade and meals."""

MEETING = """
In {the:m}, {h} met {f}, {a:p2}. || En {the:m}, {h} conoció a {f}, {a:p2}.
{a:p2} was sitting beside {the:m}. || {a:p2} estaba sentad{o:p2} junto {to the:m}.
{f} came out of {the:m} with {a:t}. || {f} salió {of the:m} con {a:t}.
Then {h} saw {f}, who was {~alone}. || Entonces {h} vio a {f}, que estaba {~alone}.
{The:p2} greeted {h} with {a-:c}. || {The:p2} saludó a {h} con {a-:c}.
{f} was {trait:f}, but {trait:f}. || {f} era {trait:f}, pero {trait:f}.
{h} had not seen {f} since {year}. || {h} no veía a {f} desde {year}.
{a:p2} with {a:n} appeared at the door. || {a:p2} con {a:n} apareció en la puerta.
{f} lived alone with {num} {pl:n}. || {f} vivía sol{o:f} con {num} {pl:n}.
"Good {daytime}," said {the:p2}. || —Buenas —dijo {the:p2}.
{h} and {f} became friends that {day}. || Aquel {day}, {h} y {f} se hicieron amigos.
{the:p2} of {the:m} knew {h} well. || {the:p2} {of the:m} conocía bien a {h}.
At the door of {the:m} stood {num} {pl:p2}. || A la puerta {of the:m} había {num} personas.
"""

TALK = """
"Where is {the:t}?" asked {h}. || —¿Dónde está {the:t}? —preguntó {h}.
"I have never {>thing} {a:t}," {>say} {f}. || —Nunca quise {=thing} {a:t} —{>say} {f}.
"{The:t} is in {the:m}," {>say} {the:p2}. || —{The:t} está en {the:m} —{>say} {the:p2}.
"Why do you want to {=thing} {the:t}?" {>say} {f}. || —¿Por qué quieres {=thing} {the:t}? —{>say} {f}.
"Because {the:n} needs it," {>say} {h}. || —Porque {the:n} lo necesita —{>say} {h}.
"We have to {=thing} {the:u} before {hour} o'clock," {>say} {h}. || —Tenemos que {=thing} {the:u} antes de las {hour} —{>say} {h}.
"Be careful with {the:u}!" {>say} {f}. || —¡Cuidado con {the:u}! —{>say} {f}.
"My name is {f}, and I come from {w2}." || —Me llamo {f} y vengo de {w2}.
"How many {pl:c} do you have?" "Only {num}." || —¿Cuántos kilos de {pl:c} tienes? —Solo {num}.
"That is {a:q}," {>say} {f}, {feel:f}. || —Eso es {a:q} —{>say} {f}, {feel:f}.
"I will give you {num} coins for {the:t}," {>say} {the:p2}. || —Te doy {num} monedas por {the:t} —{>say} {the:p2}.
"No," {>say} {h}. "{The:t} is not for sale." || —No —{>say} {h}—. {The:t} no se vende.
"Did you see {the:n}?" "Yes, it was in {the:m}." || —¿Has visto {to the:n}? —Sí, estaba en {the:m}.
"Tomorrow I will go to {the:m}," {>say} {h}. || —Mañana iré {to the:m} —{>say} {h}.
"Do not worry," {>say} {f}. "I know how to {=thing} it." || —No te preocupes —{>say} {f}—. Yo sé cómo hacerlo.
"Who {>thing} {the:t}?" Nobody answered. || —¿Quién {>thing} {the:t}? Nadie respondió.
"It is already {hour} o'clock!" {>say} {h}. || —¡Ya son las {hour}! —{>say} {h}.
"Listen," {>say} {f}, "{a:n} is {~alone}." || —Escucha —{>say} {f}—, {a:n} está {~alone}.
{h} told {f} the story of {the:t}. || {h} le contó a {f} la historia {of the:t}.
They talked about {pl:q} until {hour} o'clock. || Hablaron de {pl:q} hasta las {hour}.
"""

TRADE = """
{h} bought {a:u} for {num} coins. || {h} compró {a:u} por {num} monedas.
{f} sold {num} {pl:c} at {the:m}. || {f} vendió {num} {pl:c} en {the:m}.
{The:p2} offered {a:u} for {the:t}. || {The:p2} ofreció {a:u} a cambio {of the:t}.
{h} gave {the:p2} {num} {pl:c} and received {a:u}. || {h} le dio {num} {pl:c} {to the:p2} y recibió {a:u}.
At {the:m}, {a:u} cost {num} coins. || En {the:m}, {a:u} costaba {num} monedas.
{The:p2} {>thing} {the:u} and asked for {num} coins. || {The:p2} {>thing} {the:u} y pidió {num} monedas.
It was too expensive for {h}. || Era demasiado caro para {h}.
{h} paid with {the:u}. || {h} pagó con {the:u}.
In {w2} nobody sold {pl:u}. || En {w2} nadie vendía {pl:u}.
{h} counted the coins: there were {num}. || {h} contó las monedas: había {num}.
"""

MEAL = """
They ate {pl:c} and {a-:c2} near {the:m}. || Comieron {pl:c} y {a-:c2} cerca {of the:m}.
{f} cooked {num} {pl:c} for everybody. || {f} cocinó {num} {pl:c} para todos.
{h} shared {a-:c} with {the:n}. || {h} compartió {a-:c} con {the:n}.
For dinner there was {a-:c} with {pl:c2}. || Para cenar había {a-:c} con {pl:c2}.
{h} was {feel:h} and ate {num} {pl:c}. || {h} estaba {feel:h} y comió {num} {pl:c}.
{The:p2} brought {pl:c} from {w2}. || {The:p2} trajo {pl:c} de {w2}.
The kitchen smelled of {pl:c}. || La cocina olía a {pl:c}.
{The:n} stole {a-:c} from the table. || {The:n} robó {a-:c} de la mesa.
{f} liked {pl:c} better than {pl:c2}. || A {f} le gustaban más las cosas con {n:c} que con {n:c2}.
They drank water and ate {pl:c2} until {hour} o'clock. || Bebieron agua y comieron {pl:c2} hasta las {hour}.
"""
