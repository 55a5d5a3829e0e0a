"""People together: meetings, talk, trade and meals."""

MEETING = """
In {the:m}, {h} met {f}, {a:p2}. || En {the:m}, {h} conoció a {f}, que buscaba a {a:p2}.
{a:p2} was sitting beside {the:m}. || {a:p2} estaba sentad{o:p2} junto {to the:m}.
{f} came out of {the:m} with {a:t2}. || {f} salió {of the:m} con {a:t2}.
Then {h} saw {f}, who was {~alone}. || Entonces {h} vio a {f}, que estaba {~alone}.
{The:p2} greeted {h} with {a:c}. || {The:p2} saludó a {h} con {a:c}.
{f} was {trait:f}, but {trait:f}. || {f} era {trait:f}, pero {trait:f}.
{h} had not seen {f} since {year}. || {h} no veía a {f} desde {year}.
{a:p2} with {a:n2} appeared at the door. || {a:p2} con {a:n2} apareció en la puerta.
{f} lived alone with {num} {pl:n2}. || {f} vivía sol{o:f} con {num} {pl:n2}.
"Good {daytime}," said {the:p2}. || —Bienvenidos —dijo {the:p2}.
{h} and {f} became friends that {day}. || Aquel {day}, {h} y {f} se hicieron amigos.
{the:p2} of {the:m} knew {h} well. || {the:p2} {of the:m} conocía bien a {h}.
At the door of {the:m} stood {num} {pl:p2}. || A la puerta {of the:m} había {num} personas.
{f} {>person} {h} {adv}. || {f} {>person} {adv} a {h}.
{The+:p2} wore {a:g} and carried {a-:b}. || {The+:p2} llevaba {a:g} y cargaba {a-:b}.
{h} {>person} {the:p2}, who was {~alone}. || {h} {>person} {to the:p2}, que estaba {~alone}.
{f}'s {n:r} worked in {the:m} as {a-:p2}. || {The:r} de {f} trabajaba en {the:m} con {a-:p2}.
{time}, {a-:p2} with {a:g} knocked at {the:j}. || {time}, {a-:p2} con {a:g} llamó a la puerta.
"You must be {h}," {>say} {the:p2}. "I {!!thing} {the:t}." || —Tú debes de ser {h} —{>say} {the:p2}—. Yo {!!thing} {the:t}.
{h} and {the:p2} had studied {subject} together in {w2}. || {h} y {the:p2} habían estudiado {subject} juntos en {w2}.
{f} knew everything about {subject} and nothing about {virtue}. || {f} lo sabía todo de {subject} y nada sobre {virtue}.
It was {f} who {>person} {h} in {the:m}. || Fue {f} quien {>person} a {h} en {the:m}.
{f} was {num} years old and had {a:n2}. || {f} tenía {num} años y {a:n2}.
"""

TALK = """
"Where is {the:t}?" {>ask} {h}. || —¿Dónde está {the:t}? —{>ask} {h}.
"I do not want to {=thing} {a:t}," {>say} {f}. || —No quiero {=thing} {a:t} —{>say} {f}.
"{The:t} is in {the:m}," {>say} {the:p2}. || —{The:t} está en {the:m} —{>say} {the:p2}.
"Why do you want to {=thing} {the:t}?" {>ask} {f}. || —¿Por qué quieres {=thing} {the:t}? —{>ask} {f}.
"Because {the:n} needs it," {>say} {h}. || —Porque {the:n} {lo:t} necesita —{>say} {h}.
"We have to {=thing} {the:u} before {hour} o'clock," {>say} {h}. || —Tenemos que {=thing} {the:u} antes de las {hour} —{>say} {h}.
"Be careful with {the:u}!" {>say} {f}. || —¡Cuidado con {the:u}! —{>say} {f}.
"My name is {f}, and I come from {w2}." || —Me llamo {f} y vengo de {w2}.
"How many {pl:c} do you have?" "Only {num}." || —¿Tienes {pl:c}? —Solo {num}.
"That is {a:q}," {>say} {f}, {feel:f}. || —Eso es {a:q} —{>say} {f}, {feel:f}.
"I will give you {num} coins for {the:t}," {>say} {the:p2}. || —Te doy {num} monedas por {the:t} —{>say} {the:p2}.
"No," {>say} {h}. "{The:t} is not for sale." || —No —{>say} {h}—. {The:t} no se vende.
"Did you see {the:n}?" "Yes, it was in {the:m}." || —¿Has visto {to the:n}? —Sí, estaba en {the:m}.
"Tomorrow I will go to {the:m}," {>say} {h}. || —Mañana iré {to the:m} —{>say} {h}.
"Do not worry," {>say} {f}. "I know how to {=thing} it." || —No te preocupes —{>say} {f}—. Yo sé cómo hacerlo.
"Who {>thing} {the:t}?" Nobody answered. || —¿Quién {>thing} {the:t}? Nadie respondió.
"It is already {hour} o'clock!" {>say} {h}. || —¡Ya son las {hour}! —{>say} {h}.
"Listen," {>say} {f}, "{the:n} is {~animal}." || —Escucha —{>say} {f}—, {the:n} está {~animal}.
{h} told {f} the story of {the+:t}. || {h} le contó a {f} la historia {of the+:t}.
They talked about {pl:q} until {hour} o'clock. || Hablaron de {pl:q} hasta las {hour}.
"{virtue} is worth more than {a:t}," {>say} {the:p2}. || —{virtue} vale más que {a:t} —{>say} {the:p2}.
"My {n:r} {^thing} {a:t} in {w2}," {>say} {f}. || —Mi {n:r} {^thing} {a:t} en {w2} —{>say} {f}.
"If {the:p2} comes, I {!!thing} {the:u}," {>say} {f} {adv}. || —Si viene {the:p2}, {!!thing} {the:u} —{>say} {f} {adv}.
"{h}, do you remember {the:q}?" {>ask} {f}. || —{h}, ¿recuerdas {the:q}? —{>ask} {f}.
"Nobody {*idea} {the:q}," {>say} {h}. || —Nadie {*idea} {the:q} —{>say} {h}.
"{The:v} {*animal} and {the:n} {*animal}," {>say} {h}. || —{The:v} {*animal} y {the:n} {*animal} —{>say} {h}.
{f} {>say} that {the:t} was made of {mat}. || {f} comentó que {the:t} era de {mat}.
{h} asked {f} whether {the:p2} lived in {the:m}. || {h} le preguntó a {f} si {the:p2} vivía en {the:m}.
"{f} {!idea} {the:q}," {>say} {the:p2}, "and {h} {!thing} {the:t}." || —{f} {!idea} {the:q} —{>say} {the:p2}—, y {h} {!thing} {the:t}.
"Is this {a-:t}?" "No, it is {a:u}." || —¿Esto es {a-:t}? —No, es {a:u}.
"What is in {the:b}?" "{num} {pl:c}, {f}." || —¿Qué hay en {the:b}? —{num} {pl:c}, {f}.
"Thank you, {f}," {>say} {h}, and {>alone}. || —Gracias, {f} —{>say} {h}, y {>alone}.
"In {month} I {!!place} {the:m}," {>say} {f}. || —En {month} {!!place} {the:m} —{>say} {f}.
"Never!" {>say} {the:p2}. "Only {a-:p} {*thing} {the:t}." || —¡Nunca! —{>say} {the:p2}—. Solo {a-:p} {*thing} {the:t}.
"My {n:r} is {trait:r}," {>say} {f}, "and {*alone}." || —Mi {n:r} es {trait:r} —{>say} {f}— y {*alone}.
"{h}!" {>ask} {f}. "{The:j} is open!" || —¡{h}! —{>ask} {f}—. ¡{The:j} está abiert{o:j}!
{h} said nothing about {the:q}. || {h} no dijo nada {of the:q}.
"Put {the:t} in {the:b}," {>say} {f}, "and {the:u} too." || —Pon {the:t} en {the:b} —{>say} {f}—, y {the:u} también.
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
{f} needed {few} {unit} of {pl:c}. || {f} necesitaba {few} {unit} de {pl:c}.
{The:p2} sold {num} {unit} of {pl:c} every {day}. || {The:p2} vendía {num} {unit} de {pl:c} cada {day}.
{h} rented {a:b} for {few} days. || {h} alquiló {a:b} por {few} días.
A ticket from {w} to {w2} cost {num} coins. || Un billete de {w} a {w2} costaba {num} monedas.
{f} lent {h} {num} coins until {month}. || {f} le prestó {num} monedas a {h} hasta {month}.
At {the:m} they also sold {pl:g} and {pl:t2}. || En {the:m} también se vendían {pl:g} y {pl:t2}.
{The:p2} owed {big} coins to {h}'s {n:r}. || {The:p2} le debía {big} monedas {to the:r} de {h}.
"{num} coins, and {the:t} is yours," {>say} {the:p2}. || —{num} monedas, y {the:t} es tuy{o:t} —{>say} {the:p2}.
"""

MEAL = """
They ate {pl:c} and {a:c2} near {the:m}. || Comieron {pl:c} y {a:c2} cerca {of the:m}.
{f} cooked {num} {pl:c} for everybody. || {f} cocinó {num} {pl:c} para todos.
{h} shared {a:c} with {the:n}. || {h} compartió {a:c} con {the:n}.
For dinner there was {a:c} with {pl:c2}. || Para cenar había {a:c} con {pl:c2}.
{h} was {feel:h} and ate {num} {pl:c}. || {h} estaba {feel:h} y comió {num} {pl:c}.
{The:p2} brought {pl:c} from {w2}. || {The:p2} trajo {pl:c} de {w2}.
The kitchen smelled of {pl:c}. || La cocina olía a {pl:c}.
{The:n} stole {a:c} from the table. || {The:n} robó {a:c} de la mesa.
{f} liked {pl:c} better than {pl:c2}. || {f} prefería {pl:c} antes que {pl:c2}.
They drank water and ate {pl:c2} until {hour} o'clock. || Bebieron agua y comieron {pl:c2} hasta las {hour}.
{h} {>food} {the:c} and {f} {>food} {the:c2}. || {h} {>food} {the:c} y {f} {>food} {the:c2}.
"Who wants to {=food} {the+:c}?" {>ask} {the:p2}. || —¿Quién quiere {=food} {the+:c}? —{>ask} {the:p2}.
{f}'s {n:r} {<food} {the:c} with salt and {pl:c2}. || {The:r} de {f} {<food} {the:c} con sal y {pl:c2}.
{time}, {the:p2} {>food} {few} {unit} of {pl:c}. || {time}, {the:p2} {>food} {few} {unit} de {pl:c}.
{h} {^food} {the:c} before {f} sat down. || {h} {^food} {the:c} antes de que {f} se sentara.
{The:c} was {adj:c}, but {f} {>food} it {adv}. || {The:c} parecía {adj:c}, pero {f} {lo:c} {>food} {adv}.
On {days}, {h} {<food} {a:c} in {the:m}. || Los {days}, {h} {<food} {a:c} en {the:m}.
There was {a:c} on every plate, and {h} {>alone}. || Había {a:c} en cada plato, y {h} {>alone}.
"""
